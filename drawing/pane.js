"use strict";
// One picture of the page: where its rows are, zoom and pan by wheel, mouse, fingers and keys. What a press on a layer
// does, and the pane that keys move (`active`), are page.js's.
const data = JSON.parse(document.getElementById("data").textContent);
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const layersOf = (box) => box.dataset.layers.split(" ").map(Number);

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

  // What was in the middle stays there when the panel or the window takes room. A frame that is out of sight, as below in
  // a notebook, has no size at first.
  resized() {
    const { width } = this.svg.getBoundingClientRect();
    if (!this.width) this.fit(false);
    else if (width !== this.width) this.move((width - this.width) / 2, 0);
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
