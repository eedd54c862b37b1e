// What is alive on the pages: timelines, tables that sort, copy buttons, the explorer. Chat is only ever text.
"use strict";
(() => {
if (window.chatReport) return window.chatReport.draw(); // a notebook shows several, each with this script
const waiting = {};
window.chatReport = {
  /** Called by the files of explorer/, each of which is one call with its name and its data. */
  receive(name, data) { waiting[name]?.(data); },
  draw: startTimelines,
};

// ------------------------------------------------------------------ elements, times, addresses

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function formatTime(seconds) {
  const whole = Math.floor(Math.abs(seconds)), two = (n) => String(n).padStart(2, "0");
  return `${seconds < 0 ? "-" : ""}${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

const formatNumber = (value) =>
  value.toLocaleString("en", value < 10 && value % 1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 });

/** Return a number with its noun, such as `1 message`. */
const formatCount = (n, what, several = `${what}s`) => `${formatNumber(n)} ${n === 1 ? what : several}`;

/** Return the address that opens the recording at a second; null where there is none. */
function linkTo(opens, second) {
  if (!opens || !/^https:\/\/(www\.|m\.)?(youtube\.com|youtu\.be|twitch\.tv)\//.test(opens.before)) return null;
  const s = Math.max(Math.floor(second), 0);
  const at = opens.hms ? `${Math.floor(s / 3600)}h${Math.floor(s / 60) % 60}m${s % 60}s` : `${s}s`;
  return opens.before + at;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function copyButton(what, read) {
  const said = make("span", { role: "status", class: "small" });
  const button = make("button", { type: "button", onclick: async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(read());
    } catch { // where the clipboard is closed to files: by a selection
      const area = make("textarea", { class: "aside", "aria-hidden": "true" });
      area.value = read();
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
      button.focus();
    }
    said.textContent = done ? " copied" : " could not be copied: select the text";
    setTimeout(() => { said.textContent = ""; }, 3000);
  } }, `copy ${what}`);
  return make("span", { class: "copy" }, button, said);
}

// ------------------------------------------------------------------ the timeline

const SERIES = {
  score: { label: "liveliness, which ranks the moments", unit: "", merge: "max" },
  messages: { label: "messages a minute", unit: " messages a minute", merge: "rate" },
  people: { label: "people at once", unit: " people", merge: "max" },
  payments: { label: "payments", unit: " payments", merge: "sum" },
};
const LEFT = 46, RIGHT = 10, TOP = 40, AXIS = 20, ROW = 11;
const ROWS = [["highlight", "--orange"], ["spike", "--purple"], ["clip", "--green"]];
const MEANING = { moment: "moments, the best is 1", highlight: "highlights: the liveliest time", spike: "spikes: sudden rises", clip: "clips" };
const STEPS = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
let nth = 0, explorer = null;
const COMMON = new Set(`a about all also am an and any are as at be been but by can can't cant did do does don't dont for from get
got had has have he her here him his how i i'll i'm if im in is it it's its just know like me my no not of oh ok on one or
out he's he'll she so some than that that's thats the their them then there they this to too u up ur us was we we're well what
what's when who why will with would yeah yes you you're your youre`.split(/\s+/));

class Timeline {
  /** Draw a stream into `root`. `pick(second)` is called for a click; without it a click opens the recording. */
  constructor(root, data, { pick = null, said = null } = {}) {
    Object.assign(this, { root, data, pick, said, view: [0, Math.max(data.duration_s, 1)], at: null, extra: null });
    this.points = new Map();
    this.build();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  build() {
    const { data } = this, id = `timeline-${++nth}`;
    this.select = make("select", { onchange: () => this.redraw() });
    for (const [name, { label }] of Object.entries(SERIES)) {
      if (data[name]?.some((value) => value > 0)) this.select.append(make("option", { value: name }, label));
    }
    const zoom = (label, name, by) => make("button", { type: "button", "aria-label": name, title: name,
      onclick: () => this.zoom(by) }, label);
    this.canvas = make("canvas", {
      tabindex: 0, role: "slider", "aria-label": `Place in the stream ${data.title}`, "aria-valuemin": 0,
      "aria-valuemax": Math.floor(data.duration_s), "aria-valuenow": 0, "aria-valuetext": "0:00:00",
      "aria-describedby": `${id}-help`,
    });
    this.readout = make("p", { class: "readout", role: "status" }, "");
    const present = new Set(data.marks.map((mark) => mark[0]));
    const legend = make("p", { class: "legend small" });
    for (const [kind, color] of [["moment", "--vermillion"], ...ROWS]) {
      if (present.has(kind)) legend.append(make("span", { style: `--mark: var(${color})` }, MEANING[kind]));
    }
    const opens = data.opens && !this.pick ? "a click opens the recording there" : "a click chooses a second";
    const help = make("p", { class: "small help", id: `${id}-help` },
      `Drag to move, + and − to zoom; ${opens}. With the keyboard: arrows, Page Up and Down, + and −, Enter.`);
    this.root.replaceChildren(
      make("div", { class: "controls" }, make("label", {}, "Show ", this.select),
        make("span", { class: "zoom" }, zoom("−", "zoom out", 2), zoom("+", "zoom in", 0.5),
          make("button", { type: "button", onclick: () => this.look(0, data.duration_s) }, "whole stream"))),
      this.canvas, legend, this.readout, this.listMoments(), help);
    this.root.classList.add("alive");
    this.listen();
    this.point(null);
  }

  listMoments() {
    const moments = this.data.marks.filter((mark) => mark[0] === "moment").slice(0, 10);
    const list = make("ol", { class: "moments", "aria-label": "The best moments" });
    for (const [, start, end, rank, title, link] of moments) {
      list.append(make("li", {}, make("button", { type: "button", onclick: () => this.visit(start, end) },
        make("b", {}, String(rank)), ` ${formatTime(start)} `, make("span", {}, title || "")),
      link ? make("a", { href: linkTo(this.data.opens, start) ? link : null, target: "_blank", rel: "noopener noreferrer",
        "aria-label": `watch moment ${rank}` }, "watch") : null));
    }
    return list;
  }

  visit(start, end) {
    const half = Math.max(150, (end - start) * 3);
    this.look((start + end) / 2 - half, (start + end) / 2 + half);
    this.point(start);
    this.pick?.(start);
  }

  look(from, to) {
    const whole = Math.max(this.data.duration_s, 1), width = clamp(to - from, Math.min(12 * this.data.step_s, whole), whole);
    const start = clamp((from + to - width) / 2, 0, whole - width);
    this.view = [start, start + width];
    this.redraw();
  }

  zoom(by, around = null) {
    const [from, to] = this.view;
    const centre = around ?? (this.at !== null && this.at >= from && this.at <= to ? this.at : (from + to) / 2);
    this.look(centre - (centre - from) * by, centre + (to - centre) * by);
  }

  /** Set a series of numbers of its own beside those of the data, such as the times of a word. */
  setExtra(label, values) {
    this.select.querySelector("[value=extra]")?.remove();
    this.extra = values;
    if (values) {
      this.select.append(make("option", { value: "extra" }, label));
      this.select.value = "extra";
    }
    this.redraw();
  }

  listen() {
    const { canvas } = this;
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      this.points.set(event.pointerId, event.offsetX);
      start = { x: event.offsetX, view: this.view, moved: false };
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a finger that is gone already */ }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!start) return this.point(this.secondAt(event.offsetX));
      const before = new Map(this.points);
      this.points.set(event.pointerId, event.offsetX);
      if (this.points.size === 2) {
        const [a, b] = [...before.values()], [c, d] = [...this.points.values()];
        start.moved = true;
        if (Math.abs(d - c) > 10) this.zoom(Math.abs(b - a) / Math.abs(d - c), this.secondAt((c + d) / 2));
      } else if (start.moved || Math.abs(event.offsetX - start.x) > 5) {
        start.moved = true;
        const shift = ((start.x - event.offsetX) * (start.view[1] - start.view[0])) / this.plotWidth();
        this.look(start.view[0] + shift, start.view[1] + shift);
      }
    });
    const end = (event) => {
      this.points.delete(event.pointerId);
      if (start && !start.moved && event.type === "pointerup") {
        this.point(this.secondAt(event.offsetX));
        this.open();
      }
      if (!this.points.size) start = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.secondAt(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const { duration_s, step_s } = this.data, at = this.at ?? this.view[0];
    const stride = Math.max(step_s, (this.view[1] - this.view[0]) / 100);
    const targets = { ArrowRight: at + stride, ArrowUp: at + stride, ArrowLeft: at - stride, ArrowDown: at - stride,
      PageUp: at + 10 * stride, PageDown: at - 10 * stride, Home: 0, End: duration_s };
    if (event.key in targets) {
      this.point(targets[event.key]);
      if (this.at < this.view[0] || this.at > this.view[1]) {
        const half = (this.view[1] - this.view[0]) / 2;
        this.look(this.at - half, this.at + half);
      }
    } else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "Escape") this.look(0, duration_s);
    else if (event.key === "Enter" || event.key === " ") this.open();
    else return;
    event.preventDefault();
  }

  open() {
    if (this.at === null) return;
    if (this.pick) this.pick(this.at);
    else this.watch?.click();
  }

  plotWidth() { return Math.max(this.canvas.clientWidth - LEFT - RIGHT, 1); }
  secondAt(x) { return clamp(this.view[0] + ((x - LEFT) / this.plotWidth()) * (this.view[1] - this.view[0]), 0, this.data.duration_s); }
  xOf(second) { return LEFT + ((second - this.view[0]) / (this.view[1] - this.view[0])) * this.plotWidth(); }

  /** Say what there is at a second, and mark it. */
  point(second) {
    const { data, readout } = this;
    this.at = second === null ? null : Math.floor(clamp(second, 0, data.duration_s));
    if (this.at === null) {
      readout.replaceChildren("Point at the timeline to see what was written.");
      return;
    }
    const step = Math.min(Math.floor(this.at / data.step_s), data.messages.length - 1);
    const count = step < 0 ? 0 : data.messages[step], people = step < 0 ? 0 : data.people[step];
    const told = [`${formatCount(count, "message")} by ${formatCount(people, "person", "people")} in ${data.step_s} s`];
    if (data.payments[step]) told.push(`${data.payments[step]} paid`);
    const words = this.said ? this.said(this.at) : data.said?.[step] || "";
    const address = linkTo(data.opens, this.at);
    this.watch = address && make("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, "watch from here");
    readout.replaceChildren(make("b", {}, formatTime(this.at)), ` · ${told.join(", ")}`,
      ...(words ? [" · ", make("q", {}, words)] : []), ...(this.watch ? [" · ", this.watch] : []));
    this.canvas.setAttribute("aria-valuenow", this.at);
    this.canvas.setAttribute("aria-valuetext", `${formatTime(this.at)}, ${told.join(", ")}${words ? `: ${words}` : ""}`);
    this.redraw();
  }

  redraw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => { this.due = null; this.draw(); });
  }

  /** Return the chosen series within the view, merged to bars of two pixels or more. */
  bars() {
    const { data } = this, name = this.select.value || "messages", [from, to] = this.view;
    const { merge, unit } = SERIES[name] ?? { merge: "rate", unit: " a minute" };
    const values = name === "extra" ? this.extra : data[name] ?? [];
    const per = Math.max(1, Math.ceil(((to - from) / this.plotWidth()) * 2 / data.step_s));
    const first = Math.floor(from / data.step_s / per) * per, last = Math.min(Math.ceil(to / data.step_s), values.length);
    const found = [];
    for (let i = first; i < last; i += per) {
      let value = 0, n = 0;
      for (let j = i; j < Math.min(i + per, values.length); j++, n++) {
        value = merge === "max" ? Math.max(value, values[j]) : value + values[j];
      }
      if (merge === "rate") value *= 60 / (n * data.step_s);
      found.push([i * data.step_s, (i + n) * data.step_s, value]);
    }
    return { found, unit, per };
  }

  draw() {
    const { canvas, data } = this, width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const ink = (name) => (name === "--ink" ? style.color : style.getPropertyValue(name).trim());
    pen.scale(scale, scale);
    pen.font = `12px ${style.fontFamily}`;
    const rows = ROWS.filter(([kind]) => data.marks.some((mark) => mark[0] === kind));
    const hasWords = data.top?.some(Boolean);
    const bottom = height - AXIS - rows.length * ROW - (hasWords ? 18 : 0) - 4;
    const { found, unit } = this.bars(), most = Math.max(1e-9, ...found.map((bar) => bar[2]));
    const yOf = (value) => bottom - (value / most) * (bottom - TOP);

    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width - LEFT - RIGHT, height);
    pen.clip();
    pen.fillStyle = ink("--band");
    for (const [kind, start, end] of data.marks) {
      if (kind === "moment") pen.fillRect(this.xOf(start), TOP, Math.max(this.xOf(end) - this.xOf(start), 2), bottom - TOP);
    }
    pen.fillStyle = ink("--bar");
    for (const [start, end, value] of found) {
      if (value > 0) pen.fillRect(this.xOf(start), yOf(value), Math.max(this.xOf(end) - this.xOf(start) - 0.3, 0.7), bottom - yOf(value));
    }
    rows.forEach(([kind, color], row) => {
      pen.fillStyle = ink(color);
      for (const [of, start, end] of data.marks) {
        if (of === kind) pen.fillRect(this.xOf(start), bottom + 4 + row * ROW, Math.max(this.xOf(end) - this.xOf(start), 2), ROW - 3);
      }
    });
    if (hasWords) this.drawWords(pen, ink, bottom + 4 + rows.length * ROW + 11);
    this.drawMoments(pen, ink, found, yOf);
    if (this.at !== null) {
      pen.strokeStyle = ink("--ink");
      pen.beginPath();
      pen.moveTo(this.xOf(this.at + 0.5), 4);
      pen.lineTo(this.xOf(this.at + 0.5), height - AXIS);
      pen.stroke();
    }
    pen.restore();
    this.drawAxes(pen, ink, { width, height, bottom, most, unit, yOf });
  }

  drawWords(pen, ink, y) {
    const { top, messages, step_s } = this.data, every = 84, [from, to] = this.view;
    const second = (to - from) / this.plotWidth(), n = Math.floor(this.plotWidth() / every);
    pen.fillStyle = ink("--ink");
    pen.textAlign = "center";
    for (let slot = 0; slot < n; slot++) {
      const first = Math.floor((from + slot * every * second) / step_s);
      const last = Math.min(Math.ceil((from + (slot + 1) * every * second) / step_s), top.length);
      let best = -1;
      for (let i = first; i < last; i++) if (top[i] && !COMMON.has(top[i]) && (best < 0 || messages[i] > messages[best])) best = i;
      if (best >= 0) pen.fillText(shorten(top[best], 11), LEFT + (slot + 0.5) * every, y, every - 6);
    }
  }

  drawMoments(pen, ink, bars, yOf) {
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const placed = [];
    for (const [kind, start, end, rank] of this.data.marks) {
      if (kind !== "moment" || rank > 10) continue;
      const right = this.canvas.clientWidth - RIGHT, inView = start < this.view[1] && end > this.view[0];
      const x = inView ? clamp(this.xOf((start + end) / 2), LEFT + 9, right - 9) : -50; // whole at the edges
      let high = 0;
      for (const [a, b, value] of bars) if (b > start && a < end) high = Math.max(high, value);
      let y = Math.max(yOf(high) - 11, 10);
      while (y > 10 && placed.some(([px, py]) => Math.hypot(px - x, py - y) < 18)) y = Math.max(y - 6, 10);
      placed.push([x, y]);
      pen.fillStyle = ink("--vermillion");
      pen.beginPath();
      pen.arc(x, y, 9, 0, 2 * Math.PI);
      pen.fill();
      pen.fillStyle = "#fff";
      pen.fillText(String(rank), x, y + 0.5);
    }
    pen.textBaseline = "alphabetic";
  }

  drawAxes(pen, ink, { width, height, bottom, most, unit, yOf }) {
    pen.fillStyle = pen.strokeStyle = ink("--ink");
    pen.globalAlpha = 0.35;
    pen.beginPath();
    pen.moveTo(LEFT, bottom + 0.5);
    pen.lineTo(width - RIGHT, bottom + 0.5);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.textAlign = "right";
    const apart = niceBelow(most / 2);
    for (let value = apart; value <= most; value += apart) pen.fillText(formatNumber(value), LEFT - 5, yOf(value) + 4);
    pen.fillText("0", LEFT - 5, bottom + 2);
    pen.textAlign = "center";
    const [from, to] = this.view;
    const step = STEPS.find((s) => ((to - from) / s) * 62 <= this.plotWidth()) ?? STEPS.at(-1);
    for (let second = Math.ceil(from / step) * step; second <= to; second += step) {
      const x = this.xOf(second);
      if (x < LEFT + 4 || x > width - RIGHT - 18) continue;
      pen.fillText(formatTime(second), x, height - 5);
      pen.fillRect(x, height - AXIS, 1, 4);
    }
    pen.fillText("0:00:00", LEFT, height - 5);
    if (unit) {
      pen.textAlign = "left";
      pen.fillText(unit.trim(), 2, 11);
    }
  }
}

function niceBelow(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].find((n) => n * power <= value) * power;
}

const shorten = (text, length) => ([...text].length > length ? [...text].slice(0, length - 1).join("") + "…" : text);

function startTimelines() {
  for (const root of document.querySelectorAll(".timeline:not(.alive)")) {
    const source = root.querySelector("script[type='application/json']");
    if (!source) continue;
    const before = pictureBefore(root);
    if (root.hasAttribute("data-still") && before) before.parentElement.hidden = true;
    new Timeline(root, JSON.parse(source.textContent));
  }
}

const pictureBefore = (element) => [...document.querySelectorAll("main picture > img")].filter(
  (image) => image.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING).at(-1);

// ------------------------------------------------------------------ pictures whose points tell what they are

/** Let the picture before `source` tell at each point, [x, y, i] in fractions of its size, the i-th text, and open its stream. */
function startPoints(source) {
  const image = pictureBefore(source), { texts, points: wide, narrow = wide, streams = [] } = JSON.parse(source.textContent);
  if (!image) return;
  const phone = matchMedia("(max-width: 40rem)");
  let points = [];
  const choose = () => { points = (phone.matches ? narrow : wide).sort((a, b) => a[0] - b[0]); };
  phone.addEventListener("change", choose);
  choose();
  const [near, upright] = streams.length ? [60, 0.1] : [24, 1]; // above and below a stream is near it
  let told = -1, before = -1;
  const tip = make("div", { class: "tip", role: "status", hidden: true }), ring = make("div", { class: "ring", hidden: true });
  const show = (n) => {
    tip.hidden = ring.hidden = n < 0;
    if (n < 0) return;
    told = n;
    tip.textContent = texts[points[n][2]];
    const box = image.getBoundingClientRect(), x = box.left + points[n][0] * box.width, y = box.top + points[n][1] * box.height;
    const below = y + 14 + tip.offsetHeight < innerHeight;
    place(ring, x, y);
    place(tip, clamp(x + 12, 4, Math.max(document.documentElement.clientWidth - tip.offsetWidth - 4, 4)), below ? y + 14 : y - 14 - tip.offsetHeight);
  };
  const find = (event) => {
    const box = image.getBoundingClientRect();
    let best = -1, least = near;
    points.forEach(([x, y], n) => {
      const away = Math.hypot(box.left + x * box.width - event.clientX, upright * (box.top + y * box.height - event.clientY));
      if (away < least) [best, least] = [n, away];
    });
    show(best);
  };
  const hide = () => show(-1);
  const open = () => {
    if (tip.hidden || !streams.length) return;
    const stream = streams[points[told][2]];
    if (explorer) explorer.go(String(stream));
    else location.href = `explorer.html#${stream}`;
  };
  image.addEventListener("pointerdown", () => { before = tip.hidden ? -1 : told; });
  image.addEventListener("click", (event) => event.pointerType === "touch" && before !== told || open()); // the first tap tells
  for (const kind of ["pointermove", "pointerdown"]) image.addEventListener(kind, find);
  image.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hide()); // a finger lifts to read
  image.addEventListener("blur", hide);
  addEventListener("scroll", hide, { capture: true, passive: true });
  image.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (event.key === "Enter") open();
    if (!step) return;
    event.preventDefault();
    show(clamp(told + step, 0, points.length - 1));
  });
  image.tabIndex = 0;
  if (streams.length) image.style.cursor = "pointer";
  image.parentElement.after(make("p", { class: "small" }, streams.length
    ? "Point at a stream to read its title, click to open it; with the keyboard: left and right, Enter."
    : "Point at a dot to read what was written; with the keyboard: left and right."));
  document.body.append(ring, tip);
}

function place(element, x, y) {
  element.style.left = `${x}px`;
  element.style.top = `${y}px`;
}

// ------------------------------------------------------------------ tables that sort, and are searched

function readCell(row, column) {
  const cell = row.cells[column], value = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
  return value !== "" && !isNaN(value) ? Number(value) : value.toLowerCase();
}

function sortTable(table, column, head) {
  const down = head.getAttribute("aria-sort") === "descending" ? false
    : head.getAttribute("aria-sort") === "ascending" ? true : typeof readCell(table.tBodies[0].rows[0], column) === "number";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  const rows = [...table.tBodies[0].rows].map((row) => [readCell(row, column), row]);
  rows.sort(([a], [b]) => (down ? order(b, a) : order(a, b)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function startTable(table) {
  if (!table.tBodies[0]?.rows.length) return;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.replaceChildren(make("button", { type: "button", onclick: () => sortTable(table, column, head) }, head.textContent));
  });
  const rows = [...table.tBodies[0].rows], texts = rows.map((row) => row.textContent.toLowerCase());
  const said = make("span", { role: "status", class: "small" });
  const search = make("input", { type: "search", oninput: () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    rows.forEach((row, i) => { row.hidden = !wanted.every((word) => texts[i].includes(word)); n += !row.hidden; });
    said.textContent = wanted.length ? ` ${n} of ${rows.length}` : "";
  } });
  if (rows.length < 2) return;
  const box = table.closest(".scroll") ?? table;
  box.before(make("p", { class: "search" }, make("label", {}, `${table.dataset.search} `, search), said));
}

// ------------------------------------------------------------------ the explorer

const AROUND = 100, SHOWN = 200;
const WORD = /\p{Extended_Pictographic}(?:[\u{1f3fb}-\u{1f3ff}\ufe0f]|\u200d\p{Extended_Pictographic})*|:[\w-]+:|@[\w-]+|[\u4e00-\u9fff\u3005]+|[\u3041-\u309f]+|[\u30a1-\u30ff]+|[\p{L}\p{N}_'’]+/gu;

class Explorer {
  constructor(root) {
    this.root = root;
    this.streams = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    this.place = make("div", { class: "stream" });
    root.append(this.place);
    for (const link of document.querySelectorAll("a[data-go]")) {
      link.addEventListener("click", (event) => { event.preventDefault(); this.go(link.dataset.go); });
    }
    window.addEventListener("hashchange", () => this.follow());
    this.follow();
  }

  /** Open what the address names, `#stream@second`; without it the first of the list. */
  follow() {
    const named = /^#(\d+)(?:@(\d+))?$/.exec(location.hash);
    if (named) this.open(Number(named[1]), named[2] === undefined ? null : Number(named[2]));
    else if (!this.opened && this.streams.length) this.open(this.streams[0], null);
  }

  go(place) {
    const [stream, second] = place.split("@").map(Number), bundled = this.root.dataset.bundle !== undefined;
    location.hash = bundled ? "#explorer" : `#${place}`; // a bundle shows the chapter that its address names
    this.open(stream, second ?? null);
    this.place.scrollIntoView({ block: "start" });
  }

  async open(stream, second) {
    if (!this.streams.includes(stream)) return;
    if (this.opened !== stream) {
      this.opened = stream;
      this.place.replaceChildren(make("p", { role: "status" }, "Opening …"));
      for (const link of this.root.querySelectorAll("a[data-go]")) {
        link.toggleAttribute("aria-current", link.dataset.go.split("@")[0] === String(stream));
      }
      try {
        const data = await load(`s${stream}`);
        if (this.opened !== stream) return; // another one was chosen meanwhile
        const view = this.view = new StreamView(this.place, data, second);
        load(`c${stream}`).then((chat) => view.receive(chat), () => view.miss());
      } catch {
        this.place.replaceChildren(make("p", { role: "status" }, "This stream's file is missing: keep the folder explorer beside this page."));
        this.opened = null;
      }
    } else if (second !== null) this.view?.choose(second);
  }
}

/** Return the data of a file of explorer/, or of the page itself where it carries it. */
function load(name) {
  const inside = document.querySelector(`script[data-name="${name}"]`);
  if (inside) return Promise.resolve(JSON.parse(inside.textContent));
  if (document.querySelector("[data-bundle]")) return Promise.reject(new Error("a single file has no others"));
  return new Promise((resolve, reject) => {
    waiting[name] = (data) => { delete waiting[name]; resolve(data); };
    document.head.append(make("script", { src: `explorer/${name}.js`, onerror: reject, onload: (event) => event.target.remove() }));
  });
}

class StreamView {
  constructor(place, data, second) {
    Object.assign(this, { place, data, second, chat: null });
    this.figure = make("div", { class: "timeline" });
    this.talk = make("section", { "aria-label": "What was written" }, make("p", { role: "status" }, "Loading the chat …"));
    const about = [data.started_at?.slice(0, 10), formatTime(data.duration_s), `${formatCount(data.n_messages, "message")} by ${formatCount(data.n_people, "person", "people")}`];
    const watch = linkTo(data.opens, 0);
    place.replaceChildren(make("h2", {}, data.title), make("p", {}, about.filter(Boolean).join(" · "),
      ...(watch ? [" · ", make("a", { href: watch, target: "_blank", rel: "noopener noreferrer" }, "recording")] : [])),
    this.figure, this.talk, showKit(data.kit));
    this.timeline = new Timeline(this.figure, data, { pick: (at) => this.choose(at), said: (at) => this.sayAt(at) });
    const best = data.marks.find((mark) => mark[0] === "moment");
    this.second ??= best ? best[1] : 0;
    this.timeline.point(this.second);
  }

  receive(chat) {
    if (!this.place.contains(this.figure)) return; // another stream is open
    this.chat = chat;
    this.search = make("input", { type: "search", oninput: () => this.find() });
    this.found = make("span", { role: "status", class: "small" });
    this.lines = make("ol", { class: "chat", tabindex: 0, "aria-label": "Messages" });
    this.heading = make("h3", {});
    const words = make("p", { class: "words", role: "group", "aria-label": "Most written words and emotes" });
    setTimeout(() => this.listWords(words)); // the chat is shown before
    this.talk.replaceChildren(
      make("p", { class: "search" }, make("label", {}, "Search what was written ", this.search),
        make("button", { type: "button", onclick: () => { this.search.value = ""; this.find(); } }, "clear"), this.found),
      words, this.heading, this.lines);
    this.choose(this.second);
  }

  /** Say that the chat is elsewhere: one file to mail does not carry that of a large channel. */
  miss() {
    this.talk.replaceChildren(make("p", { role: "status" }, "What was written is in the run's folder, beside the page explorer.html."));
  }

  listWords(place) {
    for (const [word, n] of this.countWords()) {
      place.append(make("button", { type: "button", title: `in ${formatCount(n, "message")}`, onclick: () => {
        this.search.value = word;
        this.find();
      } }, word));
    }
  }

  countWords() {
    const counts = new Map();
    for (const text of this.chat.text) {
      const own = new Set();
      for (const [word] of text.matchAll(WORD)) {
        const plain = /^[a-z][a-z0-9]{2,}[A-Z]/.test(word) || word[0] === ":" ? word : word.toLowerCase();
        if (word[0] !== "@" && !COMMON.has(plain) && (plain.length > 1 || /\P{ASCII}/u.test(plain))) own.add(plain);
      }
      for (const word of own) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    return [...counts].filter(([, n]) => n > 1).sort((a, b) => b[1] - a[1]).slice(0, 30);
  }

  rowAt(second) {
    const at = this.chat.at;
    let low = 0, high = at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < second * 10) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  sayAt(second) {
    if (!this.chat) return "";
    const { step_s } = this.data, start = Math.floor(second / step_s) * step_s;
    const row = [second, start].map((at) => this.rowAt(at)).find((row) => this.chat.at[row] < (start + step_s) * 10);
    return row === undefined ? "" : shorten(this.chat.text[row], 80); // of the step that is counted, if it has any
  }

  /** Show the messages before and after a second. */
  choose(second) {
    this.second = second;
    this.timeline.point(second);
    if (!this.chat) return;
    const row = this.rowAt(second), first = Math.max(row - AROUND, 0), last = Math.min(row + AROUND, this.chat.at.length);
    this.heading.textContent = `Around ${formatTime(second)}`;
    this.lines.replaceChildren(...Array.from({ length: last - first }, (_, i) => this.line(first + i, first + i === row)));
    const here = this.lines.querySelector(".here");
    this.lines.scrollTop = here ? here.offsetTop - this.lines.offsetTop - 60 : 0;
  }

  line(row, here = false) {
    const { at, who, text, paid, names } = this.chat, name = names[who[row]] ?? "";
    const label = typeof name === "number" ? `viewer ${name}` : name, gave = paid[row];
    return make("li", { class: [here && "here", gave && "paid"].filter(Boolean).join(" ") || null },
      make("button", { type: "button", onclick: () => this.choose(at[row] / 10) }, formatTime(at[row] / 10)),
      make("b", {}, label), gave ? make("mark", {}, gave) : null, make("bdi", {}, text[row]));
  }

  find() {
    const wanted = this.search.value.trim().toLowerCase(), n = this.data.messages.length;
    if (!wanted) {
      this.found.textContent = "";
      this.timeline.setExtra("", null);
      return this.choose(this.second);
    }
    this.texts ??= this.chat.text.map((text) => text.toLowerCase());
    const rows = [], counts = new Array(n).fill(0);
    this.texts.forEach((text, row) => {
      if (!text.includes(wanted)) return;
      rows.push(row);
      const step = Math.floor(this.chat.at[row] / 10 / this.data.step_s);
      if (step >= 0 && step < n) counts[step] += 1;
    });
    this.found.textContent = ` ${formatCount(rows.length, "message")}${rows.length > SHOWN ? `, the first ${SHOWN} shown` : ""}`;
    this.heading.textContent = `With “${shorten(this.search.value.trim(), 40)}”`;
    this.lines.replaceChildren(...rows.slice(0, SHOWN).map((row) => this.line(row)));
    this.lines.scrollTop = 0;
    this.timeline.setExtra(`“${shorten(wanted, 30)}” a minute`, counts);
  }
}

const KIT = { "clips.csv": "clips to cut, as a table", "markers.edl": "markers for DaVinci Resolve",
  "download.sh": "a script that downloads the clips with yt-dlp", "chapters.txt": "chapters for the description on YouTube" };

/** Show what goes to an editor, each with a copy button and a download. */
function showKit(kit) {
  const files = Object.entries(kit ?? {});
  if (!files.length) return make("p");
  const part = make("section", { class: "kit", "aria-label": "Clip kit" }, make("h3", {}, "Clip kit"));
  for (const [name, text] of files) {
    part.append(make("details", {}, make("summary", {}, `${KIT[name.split(".").slice(-2).join(".")] ?? "a file"} `, make("span", { class: "small" }, name)), make("p", {},
      copyButton("the text", () => text), " ",
      make("a", { download: name, href: `data:text/plain;charset=utf-8,${encodeURIComponent(text)}` }, "download")),
    make("pre", { tabindex: 0 }, text)));
  }
  return part;
}

// ------------------------------------------------------------------ how many of those named pay

function startCurve(place) {
  const curve = JSON.parse(place.dataset.curve), rate = Number(place.dataset.rate), said = make("output");
  const input = make("input", { type: "range", min: 1, max: curve.length, value: Math.min(100, curve.length),
    "aria-label": "How many people to name", oninput: () => tell() });
  const tell = () => {
    const n = Number(input.value);
    said.textContent = `Name ${formatNumber(n)}: ${formatNumber(curve[n - 1])} of them pay; by lot, ${formatNumber(n * rate)}.`;
  };
  place.replaceChildren(input, said);
  tell();
}

// ------------------------------------------------------------------ start

function start() {
  startTimelines();
  document.querySelectorAll("table[data-search]").forEach(startTable);
  document.querySelectorAll("[data-curve]").forEach(startCurve);
  document.querySelectorAll("script.points").forEach(startPoints);
  document.querySelectorAll("pre[data-copy]").forEach((text) =>
    text.before(make("p", {}, copyButton(text.dataset.copy, () => text.textContent))));
  const root = document.querySelector("[data-explorer]");
  if (root) explorer = new Explorer(root);
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
})();
