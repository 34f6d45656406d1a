// The slice viewer in the browser: a canvas and its controls, for the widget and the exported page.
//
// `model` is the widget's state: get, set, save_changes, on, off, send. The slices are asked for
// once, kept as int16 HU and one label byte a voxel (bit 0 truth, bit 1 prediction), and drawn
// here; drawing.py composes the same picture by the same rules.

const STATE = ["plane", "axial", "coronal", "sagittal",
  "centre", "width", "overlay", "outline", "opacity"];
const INK = { lung: "#5b6168", good: "#56B4E9", poor: "#D55E00", here: "#ffffff" };
const SIDES = ["left", "right", "top", "bottom"];

export default () => {
  let slices; // one copy for all views of a widget
  return {
    render({ model, el }) {
      slices ??= new Slices(model);
      return show(model, el, slices);
    },
  };
};

// Puts one view of the slices into `el`; returns what takes it away again.
function show(model, el, slices) {
  const view = new View(model, slices);
  const refresh = () => view.refresh(), draw = () => view.draw();
  const changes = STATE.map((name) => `change:${name}`);
  const resized = new ResizeObserver(() => view.describe()); // also when the view is first laid out
  el.replaceChildren(view.ui.root);
  listenToControls(view);
  listenToPicture(view);
  changes.forEach((change) => model.on(change, refresh));
  slices.onload.add(draw);
  resized.observe(view.ui.strip);
  refresh();
  return () => {
    resized.disconnect();
    changes.forEach((change) => model.off(change, refresh));
    slices.onload.delete(draw);
  };
}

// ---------------------------------------------------------------------------------- the slices

class Slices {
  constructor(model) {
    const { shape, step, masks } = model.get("_case");
    const size = shape[0] * shape[1] * shape[2];
    Object.assign(this, { shape, step, masks, loaded: 0, onload: new Set() });
    this.hu = new Int16Array(size).fill(-32768);
    this.label = new Uint8Array(size);
    this.has = new Uint8Array(shape[0]);
    this.queue = Promise.resolve();
    model.on("msg:custom", (message, buffers) => {
      if (message.type !== "chunk") return;
      this.queue = this.queue.then(() => this.accept(message.first, buffers));
    });
    model.send({ type: "load" });
  }

  async accept(first, buffers) {
    const [deltas, bits] = await Promise.all(buffers.map(inflate));
    const [, rows, cols] = this.shape;
    const start = first * rows * cols, size = deltas.length / 2;
    undelta(deltas, this.hu.subarray(start, start + size), rows, cols, this.step);
    const label = this.label.subarray(start, start + size).fill(0), bytes = Math.ceil(size / 8);
    let at = 0;
    this.masks.forEach((given, i) => {
      if (given) unpack(bits.subarray(at, (at += bytes)), label, 1 << i);
    });
    for (let i = first; i < first + size / (rows * cols); i++) {
      this.loaded += 1 - this.has[i];
      this.has[i] = 1;
    }
    this.onload.forEach((draw) => draw());
  }
}

async function inflate(buffer) {
  const stream = new Blob([buffer]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function undelta(deltas, out, rows, cols, step) {
  const size = out.length;
  for (let start = 0; start < size; start += cols) {
    let value = start % (rows * cols) ? out[start - cols] / step : 0;
    for (let i = start; i < start + cols; i++) {
      const zigzag = deltas[i] | (deltas[i + size] << 8);
      value = ((value + ((zigzag >> 1) ^ -(zigzag & 1))) << 16) >> 16;
      out[i] = value * step;
    }
  }
}

function unpack(bits, label, weight) {
  for (let i = 0; i < bits.length; i++) {
    if (!bits[i]) continue;
    for (let bit = 0; bit < 8; bit++) if (bits[i] & (128 >> bit)) label[8 * i + bit] |= weight;
  }
}

// --------------------------------------------------------------------------------- the picture

// Where a plane's picture lies in the volume: pixel (x, y) is voxel base + y * down + x * right.
function layout(shape, plane, index) {
  const [slices, rows, cols] = shape, area = rows * cols;
  if (plane === "axial") return { w: cols, h: rows, base: index * area, right: 1, down: cols };
  const top = (slices - 1) * area; // feet down: the last slice is the picture's first row
  return plane === "coronal"
    ? { w: cols, h: slices, base: top + index * cols, right: 1, down: -area }
    : { w: rows, h: slices, base: top + index, right: cols, down: -area };
}

function voxelAt(shape, plane, index, x, y) { // [slice, row, column] of a picture's pixel …
  const slice = shape[0] - 1 - y;
  return { axial: [index, y, x], coronal: [slice, index, x], sagittal: [slice, x, index] }[plane];
}

function pixelOf(shape, plane, [slice, row, column]) { // … and its way back: [x, y]
  const y = shape[0] - 1 - slice;
  return { axial: [column, row], coronal: [column, y], sagittal: [row, y] }[plane];
}

function greyTable(centre, width) { // DICOM PS3.3 C.11.2.1.2.1
  return Uint8Array.from({ length: 65536 }, (_, i) => {
    const grey = ((i - 32768 - (centre - 0.5)) / (width - 1) + 0.5) * 255;
    return clamp(Math.floor(grey + 0.5), 0, 255);
  });
}

function colourTable(layers, opacity) { // RGBA for each set of layers and each grey
  const table = new Uint8ClampedArray(8 * 256 * 4), alpha = Math.floor(opacity * 256 + 0.5);
  const channels = (ink) => [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  const inks = layers.map(([, ink]) => channels(ink));
  for (let set = 0; set < 8; set++) for (let grey = 0; grey < 256; grey++) {
    const rgb = [grey, grey, grey];
    inks.forEach((ink, bit) => {
      if (!(set & (1 << bit))) return;
      for (let c = 0; c < 3; c++) rgb[c] = (rgb[c] * (256 - alpha) + ink[c] * alpha + 128) >> 8;
    });
    table.set([...rgb, 255], (set * 256 + grey) * 4);
  }
  return new Uint32Array(table.buffer);
}

function compose(slices, place, look, image) {
  const { w, h, base, right, down } = place, { grey, colour, bits, outline } = look;
  const out = new Uint32Array(image.data.buffer), layers = new Uint8Array(w * h);
  for (let y = 0, i = 0; y < h; y++)
    for (let x = 0, v = base + y * down; x < w; x++, v += right, i++)
      layers[i] = bits[slices.label[v]];
  const edge = outline ? outlined(layers, w, h) : layers;
  for (let y = 0, i = 0; y < h; y++)
    for (let x = 0, v = base + y * down; x < w; x++, v += right, i++)
      out[i] = colour[(edge[i] << 8) | grey[slices.hu[v] + 32768]];
}

function outlined(layers, w, h) { // a voxel stays where one of its four neighbours is outside
  const edge = new Uint8Array(layers.length);
  for (let y = 0, i = 0; y < h; y++) for (let x = 0; x < w; x++, i++) {
    if (!layers[i]) continue;
    const inside = x && y && x < w - 1 && y < h - 1
      ? layers[i - 1] & layers[i + 1] & layers[i - w] & layers[i + w] : 0;
    edge[i] = layers[i] & ~inside;
  }
  return edge;
}

// ---------------------------------------------------------------------------------- one view

// What a model's state says, shown in the parts of a page (`build`).
class View {
  constructor(model, slices) {
    const info = model.get("_case"), still = model.get("_still");
    Object.assign(this, { model, slices, info, still, ui: build(info) });
    this.tables = {}; // of greys and colours, made again only when what they depend on changes
    this.picked = null; // voxel under the last click
    if (still.source) this.ui.still.src = still.source;
  }

  get state() { return Object.fromEntries(STATE.map((name) => [name, this.model.get(name)])); }
  get place() { return layout(this.slices.shape, this.plane.name, this.index); }
  get overlay() { return this.info.overlays[this.state.overlay] ?? this.info.overlays.none; }
  get plane() { // what is known of the plane shown
    const { plane } = this.state;
    return { name: plane, ...this.info.planes[plane] };
  }
  get index() { // a linked slider may run farther than the volume
    const { name, size } = this.plane;
    return clamp(Math.round(this.state[name]), 0, size - 1);
  }

  go(index) { if (index != null) this.set({ [this.plane.name]: index }); }
  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  pick(x, y) { // the voxel under a pixel; the other planes go there too
    this.picked = voxelAt(this.slices.shape, this.plane.name, this.index, x, y);
    const [axial, coronal, sagittal] = this.picked;
    this.set({ axial, coronal, sagittal });
    this.readPicked();
  }

  refresh() {
    this.adjust();
    this.describe();
    this.draw();
  }

  draw() {
    const { slices, ui, plane, index, place } = this, { w, h } = place;
    if (this.image?.width !== w || this.image.height !== h) {
      Object.assign(ui.canvas, { width: w, height: h });
      this.image = new ImageData(w, h);
    }
    const pen = ui.canvas.getContext("2d");
    const ready = plane.name === "axial" ? slices.has[index] : slices.loaded > 0;
    if (ready) compose(slices, place, this.look(), this.image);
    if (ready) pen.putImageData(this.image, 0, 0);
    else if (slices.loaded) pen.clearRect(0, 0, w, h);
    ui.still.hidden = slices.loaded > 0 || this.still.plane !== plane.name;
    this.tellProgress();
  }

  look() {
    const { centre, width, overlay, outline, opacity } = this.state;
    const alpha = Math.min(1, opacity * (outline ? 2 : 1)); // an outline is thin: twice as strong
    const key = [centre, width, overlay, alpha].join();
    if (this.tables.key !== key) {
      const { layers, bits } = this.overlay;
      const grey = greyTable(centre, width), colour = colourTable(layers, alpha);
      this.tables = { key, bits, grey, colour };
    }
    return { ...this.tables, outline };
  }

  tellProgress() {
    const { ui, info, still } = this, { shape: [total], loaded } = this.slices;
    ui.status.textContent = loaded === total ? info.loss
      : loaded ? `Loading: ${loaded} of ${total} slices`
      : `Still picture of ${still.plane} slice ${still.index}. The slices come when the kernel ` +
        "is free; if none is running, run the notebook.";
    ui.root.dataset.loaded = loaded === total;
  }

  adjust() { // the controls of window and overlay follow the state
    const { ui, info, state, overlay } = this, { centre, width, outline } = state;
    const preset = Object.entries(info.windows).find(([, [c, w]]) => c === centre && w === width);
    for (const name of ["plane", "centre", "width", "overlay", "opacity"])
      ui[name].value = state[name];
    ui.window.value = preset ? preset[0] : "free";
    ui.outline.value = outline ? "outline" : "tint";
    ui.legend.replaceChildren(...overlay.layers.map(entry));
  }

  describe() { // everything that depends on the plane or the slice, but is no picture
    const { ui, plane, index } = this;
    const [high, wide] = plane.mm, fit = Math.min(1, wide / high); // a tall picture: narrower
    ui.picture.style.aspectRatio = `${wide} / ${high}`;
    ui.picture.style.maxWidth = `${Math.round(480 * fit)}px`;
    for (const side of SIDES) ui[side].textContent = plane[side];
    this.tellPosition();
    ui.next.disabled = nextPoor(plane, index) == null;
    ui.jumps.hidden = !plane.dice;
    drawStrip(ui.strip, plane, index, this.info.disagree);
    this.readPicked();
  }

  tellPosition() {
    const { ui, plane, index } = this, { name, axis, first, step, size } = plane;
    const title = `${name[0].toUpperCase()}${name.slice(1)} slice`;
    const where = `${"zyx"[axis]} ${signed(first + index * step)} mm`, dice = diceOf(plane, index);
    ui.position.textContent = `${title} ${index} (0 to ${size - 1})`;
    ui.where.textContent = where;
    ui.dice.textContent = dice && `${dice} in this slice`;
    ui.slider.max = size - 1;
    ui.slider.value = index;
    ui.slider.setAttribute("aria-label", title);
    ui.slider.setAttribute("aria-valuetext", [`${index}`, where, dice].filter(Boolean).join(", "));
    ui.canvas.setAttribute("aria-label", `${title} ${index}, ${where}`);
  }

  readPicked() {
    const { ui, picked, slices, plane, index, place } = this;
    ui.pin.hidden = !picked || picked[plane.axis] !== index;
    if (!picked) return;
    const [k, r, c] = picked, [, rows, cols] = slices.shape;
    const [x, y] = pixelOf(slices.shape, plane.name, picked);
    const hu = signed(slices.hu[(k * rows + r) * cols + c], 0);
    const value = slices.has[k] ? `${slices.step > 1 ? "≈ " : ""}${hu} HU` : "";
    ui.value.textContent = `${value} at slice ${k}, row ${r}, column ${c}`;
    ui.pin.style.left = `${(100 * (x + 0.5)) / place.w}%`;
    ui.pin.style.top = `${(100 * (y + 0.5)) / place.h}%`;
  }
}

function listenToControls(view) {
  const { ui, info } = view;
  const on = (name, event, handler) => ui[name].addEventListener(event, handler);
  const number = (name, low) => {
    const value = ui[name].valueAsNumber; // NaN while nothing is typed in
    return Number.isFinite(value) ? Math.max(low, value) : low;
  };
  for (const name of ["plane", "overlay"])
    on(name, "change", () => view.set({ [name]: ui[name].value }));
  on("window", "change", () => {
    const preset = info.windows[ui.window.value];
    if (preset) view.set({ centre: preset[0], width: preset[1] });
  });
  on("centre", "change", () => view.set({ centre: number("centre", -32768) }));
  on("width", "change", () => view.set({ width: number("width", 2) }));
  on("outline", "change", () => view.set({ outline: ui.outline.value === "outline" }));
  on("opacity", "input", () => view.set({ opacity: ui.opacity.valueAsNumber }));
  for (const name of ["best", "worst"]) on(name, "click", () => view.go(view.plane[name]));
  on("next", "click", () => view.go(nextPoor(view.plane, view.index)));
  on("slider", "input", () => view.go(ui.slider.valueAsNumber));
}

function listenToPicture(view) {
  const { ui } = view;
  ui.picture.addEventListener("wheel", (event) => { // only with focus: a page must scroll past
    if (!ui.root.contains(document.activeElement)) return;
    event.preventDefault();
    view.go(clamp(view.index - Math.sign(event.deltaY), 0, view.plane.size - 1));
  });
  ui.canvas.addEventListener("click", (event) => {
    const [x, y] = fractions(event, ui.canvas), { w, h } = view.place;
    view.pick(clamp(Math.floor(x * w), 0, w - 1), clamp(Math.floor(y * h), 0, h - 1));
    ui.slider.focus();
  });
  ui.strip.addEventListener("click", (event) => {
    view.go(Math.round(fractions(event, ui.strip)[0] * (view.plane.size - 1)));
    ui.slider.focus();
  });
}

function fractions(event, node) { // how far right and down in a node a click was, 0 to 1
  const box = node.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const signed = (value, digits = 1) => value.toFixed(digits).replace("-", "−");

function diceOf({ dice }, index) {
  if (!dice) return "";
  return dice[index] == null ? "no lung" : `DSC ${dice[index].toFixed(3)}`;
}

// The nearest slice after this one, going round, whose Dice says that the two masks disagree.
function nextPoor({ poor }, index) {
  const later = poor?.find((i) => i > index) ?? poor?.[0];
  return later === index ? null : later;
}

// Where lung is (grey, from below) and how well each slice scored: what its DSC lacks hangs from
// the top, so that the eye falls on the worst.
function drawStrip(strip, { size, area, dice }, index, disagree) {
  const ratio = window.devicePixelRatio || 1, height = Math.round(36 * ratio);
  const width = Math.max(100, Math.round(strip.clientWidth * ratio));
  if (strip.width !== width || strip.height !== height) Object.assign(strip, { width, height });
  const pen = strip.getContext("2d"), column = width / Math.max(1, size - 1);
  const most = area ? Math.max(1, ...area) : 1;
  const bar = (i, top, tall, ink) => {
    pen.fillStyle = ink;
    pen.fillRect((i - 0.5) * column, top, column + 0.5, tall); // over the thumb; no seams
  };
  pen.clearRect(0, 0, width, height);
  for (let i = 0; area && i < size; i++) {
    const tall = (0.75 * height * area[i]) / most;
    bar(i, height - tall, tall, INK.lung);
    if (dice && dice[i] != null)
      bar(i, 0, Math.max(0.08, 1 - dice[i]) * height, dice[i] < disagree ? INK.poor : INK.good);
  }
  pen.fillStyle = INK.here;
  pen.fillRect(clamp(index * column - ratio, 0, width - 2 * ratio), 0, 2 * ratio, height);
}

// ------------------------------------------------------------------------------- the page's parts

function build(info) {
  const ui = {};
  const part = (name, tag, attributes = {}, ...children) =>
    (ui[name] = make(tag, { class: name, ...attributes }, ...children));
  const mark = (side) => part(side, "span", { class: `mark ${side}`, "aria-hidden": true });
  part("root", "div", { class: "slice-viewer" },
    controlBar(part, info),
    make("div", { class: "body" },
      part("picture", "div", {}, part("canvas", "canvas", { role: "img" }),
        part("still", "img", { alt: "Still picture of the first slice" }), part("pin", "div"),
        ...SIDES.map(mark)),
      sidePanel(part, info)),
    make("div", { class: "track" }, part("strip", "canvas", { "aria-hidden": true }),
      part("slider", "input", { type: "range", min: 0, step: 1 })),
    stripKey(info), part("status", "div", { role: "status" }));
  // JupyterLab would take the arrow keys for moving between cells: the attribute keeps it from
  // looking at a control's keys on their way in, the handler on their way out.
  for (const control of ui.root.querySelectorAll("select, input, button"))
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  return ui;
}

function controlBar(part, info) {
  const choice = (name, label, values) => make("label", {}, label, part(name, "select", {},
    ...values.map((value) => make("option", { value }, value))));
  const field = (name, label, attributes) =>
    make("label", {}, label, part(name, "input", attributes));
  return make("div", { class: "bar" },
    choice("plane", "Plane", Object.keys(info.planes)),
    choice("window", "Window", [...Object.keys(info.windows), "free"]),
    field("centre", "Centre (HU)", { type: "number", step: 10 }),
    field("width", "Width (HU)", { type: "number", step: 50, min: 2 }),
    choice("overlay", "Overlay", Object.keys(info.overlays)),
    choice("outline", "Drawn as", ["tint", "outline"]),
    field("opacity", "Opacity", { type: "range", min: 0, max: 1, step: 0.05 }));
}

function sidePanel(part, info) {
  const button = (name, text, title) => part(name, "button", { type: "button", title }, text);
  return make("div", { class: "side" },
    make("strong", {}, info.name), part("position", "div"), part("where", "div"),
    part("dice", "div"), part("legend", "ul", { "aria-label": "Legend" }),
    part("jumps", "div", {},
      button("best", "Best slice", "highest DSC of a slice with lung"),
      button("worst", "Worst slice", "lowest DSC"),
      button("next", "Next disagreeing", `next slice with a DSC below ${info.disagree}`)),
    part("value", "div", { "aria-live": "polite" }, "Click the picture for its HU."));
}

function stripKey({ planes: { axial }, disagree }) { // what the strip's colours mean
  const area = axial.area ? [["lung area", INK.lung]] : [];
  const dice = [[`DSC from ${disagree}`, INK.good], [`DSC below ${disagree}`, INK.poor]];
  const entries = axial.dice ? [...area, ...dice] : area;
  return make("ul", { class: "key" }, ...entries.map(entry));
}

const entry = ([name, colour]) => make("li", {}, make("i", { style: `background:${colour}` }), name);

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// ------------------------------------------------------------------- the page without a kernel

// A model that lives in the page alone; its slices lie in the page as base64.
export function showPage(el, { state, chunks }) {
  const handlers = {};
  const fire = (name, ...rest) => (handlers[name] ?? []).forEach((handler) => handler(...rest));
  const bytes = (text) => {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  };
  const model = {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      fire(`change:${name}`);
    },
    save_changes() {},
    on: (name, handler) => (handlers[name] ??= []).push(handler),
    off: (name, gone) => { handlers[name] = handlers[name].filter((handler) => handler !== gone); },
    send: () => chunks.forEach(([first, ...parts]) =>
      fire("msg:custom", { type: "chunk", first }, parts.map(bytes))),
  };
  show(model, el, new Slices(model));
}
