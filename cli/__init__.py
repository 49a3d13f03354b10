"""The command line: parses arguments, calls the library, prints. No arithmetic.

X.py          the command X: its arguments, options and help; its work, where that is one call of the library
X_run.py      the work of X, where that is more: imported after its command line is parsed
other names   a subject, of one command or of several:

app.py, early.py, failure.py, signals.py    the program, its errors and its end
options.py, caffe_options.py, picture_options.py    arguments and options that commands share
files.py, data.py, loading.py    inputs and outputs, checked before any work; text nets' data; Caffe nets
compiling.py, compile_helper.py    kernels that are not in the cache yet
output.py, original.py, live.py, progress.py, table.py, differences.py    printing
log.py, plot.py, resume.py    of a training
forms.py    commands of two forms; the other one is Caffe's, solver_X.py
solver_options.py, solver_screen.py, solver_progress.py, solver_history.py    what these share: options, stderr, lines
            and records of events
config_file.py, config_ini.py, config_shapes.py    the file of `optimize --config`
"""
