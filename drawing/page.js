"use strict";
// Moves, searches and opens the pictures of the page. Text of the net only ever becomes text content here.
const data = JSON.parse(document.getElementById("data").textContent);
const panel = document.getElementById("panel");
const search = document.getElementById("search");
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

class Pane {
  constructor(section, net, opened) {
    this.net = net;
    this.svg = section.querySelector("svg.net");
    this.view = this.svg.querySelector(".view");
    this.units = [...this.svg.querySelectorAll(".unit")];
    this.edges = [...this.svg.querySelectorAll("path.edge")];
    this.boxes = [...this.svg.querySelectorAll(".layer")];
    this.unitOf = [];
    net.units.forEach((unit, index) => unit.forEach((layer) => { this.unitOf[layer] = index; }));
    this.open = net.units.map((unit) => opened && unit.length > 1);
    this.x = this.y = 0;
    this.scale = 1;
    this.size = this.stack();
    this.listen();
  }

  // As layout.stack_rows and layout.edge_path.
  stack() {
    const net = this.net;
    const height = net.heights.map((pair, index) => pair[this.open[index] ? 1 : 0]);
    const rows = net.gaps.map(() => 0);
    net.rank.forEach((rank, index) => { rows[rank] = Math.max(rows[rank], height[index]); });
    const tops = [], bottoms = [];
    let place = data.margin;
    rows.forEach((row, rank) => {
      tops.push(place);
      bottoms.push(place + row);
      place += row + net.gaps[rank];
    });
    this.units.forEach((unit, index) => {
      unit.classList.toggle("open", this.open[index]);
      unit.setAttribute("transform", `translate(${net.left[index]} ${tops[net.rank[index]]})`);
    });
    this.edges.forEach((path, number) => {
      const [source, target] = net.edges[number], route = net.routes[number];
      let d = `M${route[0]} ${tops[net.rank[source]] + height[source]}`;
      for (let step = 0; step + 1 < route.length; step++) {
        const row = net.rank[source] + step, begin = route[step], end = route[step + 1];
        const upper = bottoms[row], lower = tops[row + 1] - data.tip, middle = (upper + lower) / 2;
        d += `V${upper}`;
        if (begin !== end) d += `C${begin} ${middle} ${end} ${middle} ${end} ${lower}`;
      }
      path.setAttribute("d", `${d}V${tops[net.rank[target]]}`);
    });
    this.tops = tops;
    return { width: net.width, height: (bottoms.length ? bottoms[bottoms.length - 1] : 0) + data.margin };
  }

  listen() {
    const svg = this.svg, pointers = new Map();
    let travelled = 0;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 16 : 1;
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * unit * 0.004), event.clientX, event.clientY);
      else if (event.shiftKey && !event.deltaX) this.move(-event.deltaY * unit, 0);
      else this.move(-event.deltaX * unit, -event.deltaY * unit);
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      if (!pointers.size) travelled = 0;
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      active = this;
    });
    svg.addEventListener("pointermove", (event) => {
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const now = [event.clientX, event.clientY];
      travelled += Math.hypot(now[0] - last[0], now[1] - last[1]);
      if (travelled > 4) {
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("dragged");
        const other = [...pointers].find(([id]) => id !== event.pointerId);
        if (other) this.pinch(last, now, other[1]);
        else this.move(now[0] - last[0], now[1] - last[1]);
        pointers.set(event.pointerId, now);
      }
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      svg.addEventListener(kind, (event) => {
        pointers.delete(event.pointerId);
        svg.classList.remove("dragged");
      });
    }
    svg.addEventListener("click", (event) => { if (travelled <= 4) this.press(event.target); });
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        this.press(event.target);
      }
    });
    svg.addEventListener("focusin", () => { active = this; });
    this.width = svg.getBoundingClientRect().width;
    new ResizeObserver(() => this.resized()).observe(svg);
  }

  // What was in the middle stays there when the panel or the window takes room.
  resized() {
    const { width } = this.svg.getBoundingClientRect();
    if (width !== this.width) this.move((width - this.width) / 2, 0);
    this.width = width;
  }

  press(target) {
    const toggle = target.closest(".toggle"), box = target.closest(".layer");
    if (toggle) this.toggle(Number(toggle.closest(".unit").dataset.unit));
    else if (box) select(this, layersOf(box));
    else select(null, []);
  }

  toggle(unit) {
    const before = this.tops[this.net.rank[unit]];
    this.open[unit] = !this.open[unit];
    this.size = this.stack();
    this.move(0, (before - this.tops[this.net.rank[unit]]) * this.scale);
    mark();
  }

  openAll(open) {
    this.net.units.forEach((unit, index) => { this.open[index] = open && unit.length > 1; });
    this.size = this.stack();
  }

  show() {
    this.view.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
  }

  move(x, y) {
    const frame = this.svg.getBoundingClientRect(), some = 60; // of the net stays in sight
    this.x = clamp(this.x + x, some - this.size.width * this.scale, frame.width - some);
    this.y = clamp(this.y + y, some - this.size.height * this.scale, frame.height - some);
    this.show();
  }

  zoom(factor, clientX, clientY) {
    const frame = this.svg.getBoundingClientRect();
    const x = clientX === undefined ? frame.width / 2 : clientX - frame.left;
    const y = clientY === undefined ? frame.height / 2 : clientY - frame.top;
    const scale = clamp(this.scale * factor, 0.02, 6), grown = scale / this.scale;
    this.scale = scale;
    this.move((x - this.x) * (grown - 1) * -1, (y - this.y) * (grown - 1) * -1);
  }

  pinch(last, now, other) {
    const distance = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.move((now[0] - last[0]) / 2, (now[1] - last[1]) / 2);
    this.zoom(distance(now) / distance(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  // The whole net, or its whole width from the top on.
  fit(whole) {
    const frame = this.svg.getBoundingClientRect(), { width, height } = this.size;
    this.scale = clamp(Math.min(1, frame.width / width, whole ? frame.height / height : 1), whole ? 0.02 : 0.35, 1);
    this.x = (frame.width - width * this.scale) / 2;
    if (!whole && this.x < 0) this.x = frame.width / 2 - (this.net.left[0] + this.net.unitWidth / 2) * this.scale;
    this.y = whole ? Math.max(0, (frame.height - height * this.scale) / 2) : 0;
    this.show();
  }

  // The box in which a layer is seen now.
  box(layer) {
    const unit = this.unitOf[layer], open = this.open[unit];
    return this.boxes.find((box) => layersOf(box).includes(layer) && (!box.closest(".shut") || !open) &&
      (!box.closest(".opened") || open));
  }

  reveal(layer, always) {
    const box = this.box(layer).getBoundingClientRect(), frame = this.svg.getBoundingClientRect();
    const inside = box.left >= frame.left && box.right <= frame.right && box.top >= frame.top && box.bottom <= frame.bottom;
    if (inside && !always) return;
    this.move((frame.left + frame.right - box.left - box.right) / 2, (frame.top + frame.bottom - box.top - box.bottom) / 2);
  }
}

const layersOf = (box) => box.dataset.layers.split(" ").map(Number);
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
