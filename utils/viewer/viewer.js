// The slice viewer in the browser: a canvas and its controls, for the widget and the exported page.
//
// `model` is the widget's state: get, set, save_changes, on, off, send. The slices are asked for
// once, kept as int16 HU and one label byte a voxel (bit 0 truth, bit 1 prediction), and drawn
// here; drawing.py composes the same picture by the same rules.

const STATE = ["plane", "axial", "coronal", "sagittal",
  "centre", "width", "overlay", "outline", "opacity"];
const INK = { lung: "#5b6168", good: "#56B4E9", poor: "#D55E00", here: "#ffffff" };

export default () => {
  let slices; // one copy for all views of a widget
  return {
    render({ model, el }) {
      slices ??= new Slices(model);
      return show(model, el, slices);
    },
  };
};

// ---------------------------------------------------------------------------------- the slices

class Slices {
  constructor(model) {
    const { shape, step, masks } = model.get("_case");
    const size = shape[0] * shape[1] * shape[2];
    Object.assign(this, { shape, step, masks, loaded: 0, onload: new Set(), queue: Promise.resolve() });
    this.hu = new Int16Array(size).fill(-32768);
    this.label = new Uint8Array(size);
    this.has = new Uint8Array(shape[0]);
    model.on("msg:custom", (message, buffers) => {
      if (message.type !== "chunk") return;
      this.queue = this.queue.then(() => this.accept(message.first, buffers));
    });
    model.send({ type: "load" });
  }

  async accept(first, [hu, masks]) {
    const [deltas, bits] = await Promise.all([inflate(hu), inflate(masks)]);
    const [, rows, cols] = this.shape;
    const start = first * rows * cols, size = deltas.length / 2;
    undelta(deltas, this.hu.subarray(start, start + size), rows, cols, this.step);
    const bytes = Math.ceil(size / 8), label = this.label.subarray(start, start + size);
    label.fill(0);
    let at = 0;
    this.masks.forEach((given, i) => {
      if (given) unpack(bits.subarray(at, (at += bytes)), label, 1 << i);
    });
    const count = size / (rows * cols);
    for (let i = first; i < first + count; i++) {
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

function greyTable(centre, width) { // DICOM PS3.3 C.11.2.1.2.1
  return Uint8Array.from({ length: 65536 }, (_, i) => {
    const grey = ((i - 32768 - (centre - 0.5)) / (width - 1) + 0.5) * 255;
    return Math.min(255, Math.max(0, Math.floor(grey + 0.5)));
  });
}

function colourTable(layers, opacity) { // RGBA for each set of layers and each grey
  const table = new Uint8ClampedArray(8 * 256 * 4), alpha = Math.floor(opacity * 256 + 0.5);
  for (let set = 0; set < 8; set++) for (let grey = 0; grey < 256; grey++) {
    const rgb = [grey, grey, grey];
    layers.forEach(([, colour], bit) => {
      if (!(set & (1 << bit))) return;
      for (let c = 0; c < 3; c++) {
        const ink = parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
        rgb[c] = (rgb[c] * (256 - alpha) + ink * alpha + 128) >> 8;
      }
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

// -------------------------------------------------------------------------------- the controls

function show(model, el, slices) {
  const info = model.get("_case"), still = model.get("_still"), ui = build(info);
  el.replaceChildren(ui.root);
  const get = (name) => model.get(name);
  const overlay = () => info.overlays[get("overlay")] ?? info.overlays.none;
  const index = () => { // a linked slider may run farther than the volume
    const plane = get("plane");
    return Math.min(info.planes[plane].size - 1, Math.max(0, Math.round(get(plane))));
  };
  const memo = {}; // tables are made again only when what they depend on changes
  let picked = null; // voxel under the last click

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  }

  function look() {
    // an outline is thin: it is drawn twice as strong as a tint
    const opacity = Math.min(1, get("opacity") * (get("outline") ? 2 : 1));
    const key = [get("centre"), get("width"), get("overlay"), opacity].join();
    if (memo.key !== key) {
      const { layers, bits } = overlay();
      Object.assign(memo, { key, bits, grey: greyTable(get("centre"), get("width")),
        colour: colourTable(layers, opacity) });
    }
    return { ...memo, outline: get("outline") };
  }

  function draw() {
    const plane = get("plane"), place = layout(slices.shape, plane, index());
    const ready = plane === "axial" ? slices.has[index()] : slices.loaded > 0;
    const { canvas } = ui;
    if (canvas.width !== place.w || canvas.height !== place.h || !ui.image) {
      Object.assign(canvas, { width: place.w, height: place.h });
      ui.context = canvas.getContext("2d");
      ui.image = ui.context.createImageData(place.w, place.h);
    }
    if (ready) compose(slices, place, look(), ui.image);
    if (ready) ui.context.putImageData(ui.image, 0, 0);
    else if (slices.loaded) ui.context.clearRect(0, 0, place.w, place.h);
    ui.still.hidden = slices.loaded > 0 || still.plane !== plane;
    status();
  }

  function status() {
    const [total, loaded] = [slices.shape[0], slices.loaded];
    ui.status.textContent = loaded === total ? info.loss
      : loaded ? `Loading: ${loaded} of ${total} slices`
      : `Still picture of ${still.plane} slice ${still.index}. The slices come when the kernel is ` +
        "free; if none is running, run the notebook.";
    ui.root.dataset.loaded = loaded === total;
  }

  function describe() { // everything that depends on the plane or the slice, but is no picture
    const plane = get("plane"), p = info.planes[plane], i = index();
    const fit = Math.min(1, p.mm[1] / p.mm[0]); // a tall picture is made narrower
    ui.picture.style.aspectRatio = `${p.mm[1]} / ${p.mm[0]}`;
    ui.picture.style.maxWidth = `${Math.round(480 * fit)}px`;
    for (const side of ["left", "right", "top", "bottom"]) ui[side].textContent = p[side];
    const where = `${"zyx"[p.axis]} ${signed(p.first + i * p.step)} mm`;
    const dice = !p.dice ? "" : p.dice[i] == null ? "no lung" : `DSC ${p.dice[i].toFixed(3)}`;
    const name = `${plane[0].toUpperCase()}${plane.slice(1)} slice`;
    ui.position.textContent = `${name} ${i} (0 to ${p.size - 1})`;
    ui.where.textContent = where;
    ui.dice.textContent = dice && (dice === "no lung" ? "no lung in this slice" : `${dice} in this slice`);
    ui.slider.max = p.size - 1;
    ui.slider.value = i;
    ui.slider.setAttribute("aria-label", name);
    ui.slider.setAttribute("aria-valuetext", [`${i}`, where, dice].filter(Boolean).join(", "));
    ui.canvas.setAttribute("aria-label", `${name} ${i}, ${where}`);
    ui.next.disabled = nextPoor(p, i) == null;
    ui.jumps.hidden = !p.dice;
    drawStrip(ui.strip, p, i, info.disagree);
    readPicked();
  }

  function readPicked() {
    const plane = get("plane"), axis = info.planes[plane].axis;
    ui.pin.hidden = !picked || picked[axis] !== index();
    if (!picked) return;
    const [k, r, c] = picked, [n, rows, cols] = slices.shape;
    const v = (k * rows + r) * cols + c;
    const value = slices.has[k] ? `${slices.step > 1 ? "≈ " : ""}${signed(slices.hu[v], 0)} HU` : "";
    ui.value.textContent = `${value} at slice ${k}, row ${r}, column ${c}`;
    const [x, y] = plane === "axial" ? [c / cols, r / rows]
      : [plane === "coronal" ? c / cols : r / rows, (n - 1 - k) / n];
    const { w, h } = layout(slices.shape, plane, 0);
    ui.pin.style.left = `${100 * (x + 0.5 / w)}%`;
    ui.pin.style.top = `${100 * (y + 0.5 / h)}%`;
  }

  function adjust() { // window and overlay controls follow the state
    ui.plane.value = get("plane");
    ui.centre.value = get("centre");
    ui.width.value = get("width");
    const preset = Object.entries(info.windows)
      .find(([, [c, w]]) => c === get("centre") && w === get("width"));
    ui.window.value = preset ? preset[0] : "free";
    ui.overlay.value = get("overlay");
    ui.outline.value = get("outline") ? "outline" : "tint";
    ui.opacity.value = get("opacity");
    ui.legend.replaceChildren(...overlay().layers.map(([name, colour]) =>
      h("li", {}, h("i", { style: `background:${colour}` }), name)));
  }

  function refresh() {
    adjust();
    describe();
    draw();
    ui.root.dispatchEvent(new CustomEvent("drawn"));
  }

  const go = (i) => i != null && set({ [get("plane")]: i });
  const on = (node, event, handler) => node.addEventListener(event, handler);
  const number = (node, low) => Math.max(low, Number.isFinite(node.valueAsNumber) ? node.valueAsNumber : low);
  on(ui.slider, "input", () => go(ui.slider.valueAsNumber));
  on(ui.plane, "change", () => set({ plane: ui.plane.value }));
  on(ui.window, "change", () => {
    const preset = info.windows[ui.window.value];
    if (preset) set({ centre: preset[0], width: preset[1] });
  });
  on(ui.centre, "change", () => set({ centre: number(ui.centre, -32768) }));
  on(ui.width, "change", () => set({ width: number(ui.width, 2) }));
  on(ui.overlay, "change", () => set({ overlay: ui.overlay.value }));
  on(ui.outline, "change", () => set({ outline: ui.outline.value === "outline" }));
  on(ui.opacity, "input", () => set({ opacity: ui.opacity.valueAsNumber }));
  on(ui.best, "click", () => go(info.planes[get("plane")].best));
  on(ui.worst, "click", () => go(info.planes[get("plane")].worst));
  on(ui.next, "click", () => go(nextPoor(info.planes[get("plane")], index())));
  on(ui.strip, "click", (event) => {
    const { size } = info.planes[get("plane")], box = ui.strip.getBoundingClientRect();
    go(Math.round(((event.clientX - box.left) / box.width) * (size - 1)));
    ui.slider.focus();
  });
  on(ui.picture, "wheel", (event) => { // only once the viewer has focus: a page must scroll past
    if (!ui.root.contains(document.activeElement)) return;
    event.preventDefault();
    const last = info.planes[get("plane")].size - 1;
    go(Math.min(last, Math.max(0, index() - Math.sign(event.deltaY))));
  });
  on(ui.canvas, "click", (event) => {
    const plane = get("plane"), [n, rows, cols] = slices.shape;
    const box = ui.canvas.getBoundingClientRect(), { w, h } = layout(slices.shape, plane, 0);
    const x = Math.min(w - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * w)));
    const y = Math.min(h - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * h)));
    picked = { axial: [get("axial"), y, x], coronal: [n - 1 - y, get("coronal"), x],
      sagittal: [n - 1 - y, x, get("sagittal")] }[plane];
    set({ axial: picked[0], coronal: picked[1], sagittal: picked[2] }); // other planes go there too
    readPicked();
    ui.slider.focus();
  });

  const names = STATE.map((name) => `change:${name}`);
  names.forEach((name) => model.on(name, refresh));
  slices.onload.add(draw);
  if (still.source) ui.still.src = still.source;
  const resized = new ResizeObserver(describe); // also when the view is first laid out
  resized.observe(ui.strip);
  refresh();
  return () => {
    resized.disconnect();
    names.forEach((name) => model.off(name, refresh));
    slices.onload.delete(draw);
  };
}

function signed(value, digits = 1) {
  return value.toFixed(digits).replace("-", "−");
}

// The nearest slice after this one, going round, whose Dice says that the two masks disagree.
function nextPoor({ size, poor }, index) {
  if (!poor || !poor.length) return null;
  const later = poor.find((i) => i > index) ?? poor[0];
  return later === index ? null : later;
}

// Where lung is (grey, from below) and how well each slice scored: what its DSC lacks hangs from
// the top, so that the eye falls on the worst.
function drawStrip(strip, { size, area, dice }, index, disagree) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(100, Math.round(strip.clientWidth * ratio)), height = Math.round(36 * ratio);
  if (strip.width !== width || strip.height !== height) Object.assign(strip, { width, height });
  const pen = strip.getContext("2d"), column = width / Math.max(1, size - 1), most = area ? Math.max(1, ...area) : 1;
  pen.clearRect(0, 0, width, height);
  const bar = (i, top, tall, ink) => {
    pen.fillStyle = ink;
    pen.fillRect((i - 0.5) * column, top, column + 0.5, tall); // over the thumb; no seams
  };
  for (let i = 0; area && i < size; i++) {
    const tall = (0.75 * height * area[i]) / most;
    bar(i, height - tall, tall, INK.lung);
    if (dice && dice[i] != null)
      bar(i, 0, Math.max(0.08, 1 - dice[i]) * height, dice[i] < disagree ? INK.poor : INK.good);
  }
  pen.fillStyle = INK.here;
  pen.fillRect(Math.min(width - 2 * ratio, Math.max(0, index * column - ratio)), 0, 2 * ratio, height);
}

// ------------------------------------------------------------------------------- the page's parts

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function build(info) {
  const ui = {};
  const part = (name, tag, attributes, ...children) => (ui[name] = h(tag, { class: name, ...attributes }, ...children));
  const choice = (name, label, values) => h("label", {}, label, part(name, "select", {},
    ...values.map((value) => h("option", { value }, value))));
  const bar = h("div", { class: "bar" },
    choice("plane", "Plane", Object.keys(info.planes)),
    choice("window", "Window", [...Object.keys(info.windows), "free"]),
    h("label", {}, "Centre (HU)", part("centre", "input", { type: "number", step: 10 })),
    h("label", {}, "Width (HU)", part("width", "input", { type: "number", step: 50, min: 2 })),
    choice("overlay", "Overlay", Object.keys(info.overlays)),
    choice("outline", "Drawn as", ["tint", "outline"]),
    h("label", {}, "Opacity", part("opacity", "input", { type: "range", min: 0, max: 1, step: 0.05 })));
  const mark = (side) => part(side, "span", { class: `mark ${side}`, "aria-hidden": true });
  part("picture", "div", {}, part("canvas", "canvas", { role: "img" }),
    part("still", "img", { alt: "Still picture of the first slice" }), part("pin", "div"),
    ...["left", "right", "top", "bottom"].map(mark));
  const button = (name, text, title) => part(name, "button", { type: "button", title }, text);
  const side = h("div", { class: "side" },
    h("strong", {}, info.name), part("position", "div"), part("where", "div"), part("dice", "div"),
    part("legend", "ul", { "aria-label": "Legend" }),
    part("jumps", "div", {},
      button("best", "Best slice", "highest DSC of a slice with lung"),
      button("worst", "Worst slice", "lowest DSC"),
      button("next", "Next disagreeing", `next slice with a DSC below ${info.disagree}`)),
    part("value", "div", { "aria-live": "polite" }, "Click the picture for its HU."));
  const scored = info.planes.axial.dice, lung = info.planes.axial.area;
  const key = scored
    ? ["lung area", INK.lung, `DSC from ${info.disagree}`, INK.good, `DSC below ${info.disagree}`, INK.poor]
    : lung ? ["lung area", INK.lung] : [];
  const keys = h("ul", { class: "key" });
  for (let i = 0; i < key.length; i += 2)
    keys.append(h("li", {}, h("i", { style: `background:${key[i + 1]}` }), key[i]));
  part("root", "div", { class: "slice-viewer" },
    bar, h("div", { class: "body" }, ui.picture, side),
    h("div", { class: "track" }, part("strip", "canvas", { "aria-hidden": true }),
      part("slider", "input", { type: "range", min: 0, step: 1 })),
    keys, part("status", "div", { role: "status" }));
  // JupyterLab would take the arrow keys for moving between cells: the attribute keeps it from
  // looking at a control's keys on their way in, the handler on their way out.
  for (const control of ui.root.querySelectorAll("select, input, button"))
    control.setAttribute("data-lm-suppress-shortcuts", "true");
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  return ui;
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
    off: (name, handler) => { handlers[name] = handlers[name].filter((h) => h !== handler); },
    send: () => chunks.forEach(([first, ...parts]) =>
      fire("msg:custom", { type: "chunk", first }, parts.map(bytes))),
  };
  show(model, el, new Slices(model));
}
