// Selects, searches and opens layers; pane.js, which comes before, moves the pictures. Text of the net only ever becomes
// text content here.
const panel = document.getElementById("panel");
const search = document.getElementById("search");

let active = null, selected = { pane: null, layers: [] }, matches = [], match = -1;

function select(pane, layers) {
  selected = { pane, layers };
  mark();
  panel.hidden = !pane;
  panes.forEach((each) => each.resized());
  if (!pane) return;
  panel.replaceChildren(closer(), ...layers.map((layer) => describe(pane.net.layers[layer])));
  panel.scrollTop = 0;
  pane.reveal(layers[0], false);
  const other = panes.find((each) => each !== pane), twin = pane.net.layers[layers[0]].twin;
  if (other && twin >= 0) {
    other.move(0, pane.box(layers[0]).getBoundingClientRect().top - other.box(twin).getBoundingClientRect().top);
    other.reveal(twin, false);
  }
}

// Marks the selected layers, their edges, their twins in the other net, and what the search found.
function mark() {
  const wanted = search.value.trim().toLowerCase();
  for (const pane of panes) {
    const own = pane === selected.pane;
    const twins = own || !selected.pane ? [] : selected.layers.map((layer) => selected.pane.net.layers[layer].twin);
    for (const box of pane.boxes) {
      const layers = layersOf(box);
      box.classList.toggle("selected", own && layers.some((layer) => selected.layers.includes(layer)));
      box.classList.toggle("twin", layers.some((layer) => twins.includes(layer)));
      box.classList.toggle("hit", wanted !== "" && layers.some((layer) => found(pane.net.layers[layer], wanted)));
    }
    const units = own ? selected.layers.map((layer) => pane.unitOf[layer]) : [];
    pane.edges.forEach((edge, number) =>
      edge.classList.toggle("lit", pane.net.edges[number].some((unit) => units.includes(unit))));
    pane.svg.classList.toggle("searching", wanted !== "");
  }
}

const found = (layer, wanted) => layer.name.toLowerCase().includes(wanted) || layer.type.toLowerCase().includes(wanted);

function element(name, content, className) {
  const made = document.createElement(name);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

function closer() {
  const button = element("button", "×", "close");
  button.setAttribute("aria-label", "close");
  button.addEventListener("click", () => select(null, []));
  return button;
}

function describe(layer) {
  const article = element("article");
  article.append(element("h3", layer.name), element("p", layer.type, "type"));
  for (const [heading, rows] of layer.panel) {
    if (heading) article.append(element("h4", heading));
    const list = element("dl");
    for (const [title, value] of rows) list.append(element("dt", title), element("dd", value));
    article.append(list);
  }
  return article;
}

function find() {
  const wanted = search.value.trim().toLowerCase();
  matches = wanted === "" ? [] : panes.flatMap((pane) => pane.net.layers.flatMap((layer, number) =>
    found(layer, wanted) ? [[pane, number]] : []));
  match = -1;
  document.getElementById("found").textContent = wanted === "" ? "" : `${matches.length} found`;
  mark();
}

function findNext(step) {
  if (!matches.length) return;
  match = (match + step + matches.length) % matches.length;
  const [pane, layer] = matches[match];
  document.getElementById("found").textContent = `${match + 1} of ${matches.length}`;
  select(pane, [layer]);
  pane.reveal(layer, true);
}

let opened = data.opened;
function openUnits(open) {
  opened = open;
  document.getElementById("units").textContent = open ? "collapse" : "expand";
  for (const pane of panes) {
    pane.openAll(open);
    pane.move(0, 0);
  }
  mark();
}

function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

function press(event) {
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowLeft: () => active.move(60, 0), ArrowRight: () => active.move(-60, 0),
    ArrowUp: () => active.move(0, 60), ArrowDown: () => active.move(0, -60),
    PageUp: () => active.move(0, 0.9 * active.svg.clientHeight), PageDown: () => active.move(0, -0.9 * active.svg.clientHeight),
    "+": () => active.zoom(1.25), "=": () => active.zoom(1.25), "-": () => active.zoom(0.8), 0: () => active.fit(true),
    e: () => openUnits(!opened), "/": () => search.focus(), Escape: () => select(null, []),
  };
  if (!actions[event.key] || panel.contains(event.target)) return;
  event.preventDefault();
  actions[event.key]();
}

const everywhere = (action) => () => panes.forEach(action);
// Paper shows the whole picture, as it is in the file without this script.
function printing(now) {
  for (const pane of panes) {
    const { width, height } = pane.size;
    if (now) {
      pane.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      pane.svg.setAttribute("width", width);
      pane.svg.setAttribute("height", height);
      pane.view.removeAttribute("transform");
    } else {
      for (const name of ["viewBox", "width", "height"]) pane.svg.removeAttribute(name);
      pane.show();
    }
  }
}

document.documentElement.classList.add("moving");
document.querySelector(".tools").hidden = false;
const panes = [...document.querySelectorAll(".pane")].map((section, number) => new Pane(section, data.nets[number], opened));
active = panes[0];
printing(false);
panes.forEach((pane) => pane.fit(false));
openUnits(opened);
document.getElementById("units").addEventListener("click", () => openUnits(!opened));
document.getElementById("in").addEventListener("click", everywhere((pane) => pane.zoom(1.25)));
document.getElementById("out").addEventListener("click", everywhere((pane) => pane.zoom(0.8)));
document.getElementById("fit").addEventListener("click", everywhere((pane) => pane.fit(true)));
document.getElementById("theme").addEventListener("click", changeTheme);
search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") findNext(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") {
    search.value = "";
    find();
    search.blur();
  }
});
document.addEventListener("keydown", press);
addEventListener("beforeprint", () => printing(true));
addEventListener("afterprint", () => printing(false));
