"""Two graphs on the same inputs: are their outputs the same?"""
