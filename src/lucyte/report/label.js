"use strict";
const $ = (id) => document.getElementById(id);
const CHANNEL_KEYS = "sdfghjkl";
const AHEAD = 3;
const CLOSER = 1.6;

const looks = { channel: -1, contrast: 0, outline: true, own: false, closer: false };
const pictures = new Map();
let session = null;
let at = 0;
let asking = false;      // a reason of "unknown" is due
let busy = false;        // an answer is on its way to the disk
let drawn = null;        // the picture on the screen
let since = 0;
let watched = 0;         // milliseconds that this picture was looked at
const paces = [];

async function ask(path, body) {
  const how = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const lost = body === undefined ? "" : "Not saved. ";
  let reply;
  try {
    reply = await fetch(path, how);
  } catch {
    throw new Error(`${lost}The program has ended. Start it again with the same command, then open its new address.`);
  }
  if (!reply.ok) {
    const told = await reply.json().catch(() => ({}));
    throw new Error(`${lost}${told.error || reply.status}`);
  }
  return reply;
}

function trouble(error) {
  $("trouble").textContent = error ? error.message : "";
  $("trouble").hidden = !error;
}

// pictures

function load(place) {
  const { key } = session.row[place];
  if (!pictures.has(key)) {
    const made = (async () => {
      const [told, pixels] = await Promise.all([
        ask(`picture/${key}`).then((reply) => reply.json()),
        ask(`pixels/${key}`).then((reply) => reply.arrayBuffer()),
      ]);
      return { ...told, key, planes: new Float32Array(pixels) };
    })();
    made.catch(() => pictures.delete(key));
    pictures.set(key, made);
    while (pictures.size > 40) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(key);
}

function colours(picture, only) {
  const { width, height, channels, planes } = picture;
  const size = width * height;
  const sum = new Float32Array(3 * size);
  const alone = only >= 0 || channels.length === 1;
  channels.forEach((channel, c) => {
    if (only >= 0 && c !== only) return;
    const [low, high] = looks.own ? channel.own : channel.limits;
    const colour = alone ? [1, 1, 1] : channel.colour;
    const share = alone ? 1 : channel.share;
    // Transmitted light stays as it is beneath fluorescence; alone it is stretched about its middle.
    const light = channel.share < 1;
    const boost = light && !alone ? 1 : 2 ** looks.contrast;
    const zero = light ? (low + high) / 2 - (high - low) / (2 * boost) : low;
    const gain = boost / (high - low);
    for (let i = 0; i < size; i++) {
      const value = Math.min(1, Math.max(0, (planes[c * size + i] - zero) * gain)) * share;
      for (let k = 0; k < 3; k++) sum[3 * i + k] += value * colour[k];
    }
  });
  const image = new ImageData(width, height);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = 255 * Math.min(1, sum[3 * i + k]);
    image.data[4 * i + 3] = 255;
  }
  return image;
}

function paint(canvas, picture, only, large) {
  const dots = window.devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(canvas.clientWidth * dots));
  const high = Math.max(1, Math.round(canvas.clientHeight * dots));
  canvas.width = wide;
  canvas.height = high;
  const scratch = document.createElement("canvas");
  scratch.width = picture.width;
  scratch.height = picture.height;
  scratch.getContext("2d").putImageData(colours(picture, only), 0, 0);
  const pen = canvas.getContext("2d");
  const zoom = looks.closer && large ? CLOSER : 1;
  const shown = [picture.width / zoom, picture.height / zoom];
  const scale = Math.min(wide / shown[0], high / shown[1]);
  const from = [(picture.width - shown[0]) / 2, (picture.height - shown[1]) / 2];
  const to = [(wide - shown[0] * scale) / 2, (high - shown[1] * scale) / 2];
  pen.imageSmoothingQuality = "high";
  pen.drawImage(scratch, ...from, ...shown, ...to, shown[0] * scale, shown[1] * scale);
  if (!large) return;
  pen.save();
  pen.beginPath();
  pen.rect(...to, shown[0] * scale, shown[1] * scale);
  pen.clip();
  pen.translate(to[0] - from[0] * scale, to[1] - from[1] * scale);
  if (looks.outline) outline(pen, picture, scale, dots);
  pen.restore();
  bar(pen, picture, scale, to, shown, dots);
}

function outline(pen, picture, scale, dots) {
  pen.lineJoin = "round";
  for (const [ink, width] of [["rgba(0,0,0,.75)", 4], ["#fff", 1.75]]) {
    pen.strokeStyle = ink;
    pen.lineWidth = width * dots;
    for (const line of picture.outline) {
      pen.beginPath();
      line.forEach(([x, y], i) => (i ? pen.lineTo(x * scale, y * scale) : pen.moveTo(x * scale, y * scale)));
      pen.closePath();
      pen.stroke();
    }
  }
}

function bar(pen, picture, scale, to, shown, dots) {
  const unit = picture.pixel_size_um || picture.px;
  const most = 0.25 * shown[0] * unit;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = Math.max(...[1, 2, 5].map((step) => step * power).filter((each) => each <= most * 1.001));
  const wide = (length / unit) * scale;
  const right = to[0] + shown[0] * scale - 14 * dots;
  const low = to[1] + shown[1] * scale - 14 * dots;
  pen.fillStyle = "#000";
  pen.fillRect(right - wide - dots, low - 5 * dots, wide + 2 * dots, 6 * dots);
  pen.fillStyle = "#fff";
  pen.fillRect(right - wide, low - 4 * dots, wide, 4 * dots);
  pen.font = `600 ${13 * dots}px sans-serif`;
  pen.textAlign = "center";
  pen.lineWidth = 3 * dots;
  pen.strokeStyle = "#000";
  const text = `${Number(length.toPrecision(3))} ${picture.pixel_size_um ? "µm" : "px"}`;
  pen.strokeText(text, right - wide / 2, low - 9 * dots);
  pen.fillText(text, right - wide / 2, low - 9 * dots);
}

function draw() {
  if (!drawn) return;
  if (looks.channel >= drawn.channels.length) looks.channel = -1;
  strip();
  paint($("picture"), drawn, looks.channel, true);
  $("strip").querySelectorAll("canvas").forEach((canvas, i) => paint(canvas, drawn, i - 1, false));
  for (const name of ["outline", "own", "closer"]) $(name).setAttribute("aria-pressed", looks[name]);
  $("outline").hidden = !drawn.outline.length;
  $("contrast").value = looks.contrast;
}

function strip() {
  const names = drawn.channels.length > 1 ? ["All", ...drawn.channels.map((each) => each.name)] : [];
  const box = $("strip");
  if (box.dataset.names !== JSON.stringify(names)) {
    box.dataset.names = JSON.stringify(names);
    box.replaceChildren(...names.map((name, i) => {
      const button = document.createElement("button");
      const line = document.createElement("span");
      const label = document.createElement("b");
      label.textContent = name;
      const key = i ? CHANNEL_KEYS[i - 1] : "a";
      line.append(label, ...(key ? [cap(key.toUpperCase())] : []));
      button.type = "button";
      button.append(document.createElement("canvas"), line);
      button.addEventListener("click", () => look("channel", i - 1));
      return button;
    }));
  }
  [...box.children].forEach((each, i) => each.setAttribute("aria-pressed", i - 1 === looks.channel));
}

function cap(text) {
  const key = document.createElement("kbd");
  key.textContent = text;
  return key;
}

function look(name, value) {
  looks[name] = value;
  draw();
}

// answers

function watch() {
  if (since) watched += performance.now() - since;
  since = document.hidden || !drawn ? 0 : performance.now();
}

async function show(place) {
  watch();
  at = place;
  asking = false;
  since = 0;
  watched = 0;
  drawn = null;
  document.body.dataset.ready = "";
  $("waiting").hidden = true;
  const slow = setTimeout(() => { $("waiting").hidden = false; }, 250);
  panel();
  try {
    const picture = await load(place);
    if (at !== place) return;
    drawn = picture;
    draw();
    since = document.hidden ? 0 : performance.now();
    for (let k = 1; k <= AHEAD; k++) if (place + k < session.row.length) load(place + k).catch(() => {});
    document.body.dataset.ready = picture.key;
  } catch (error) {
    trouble(error);
  } finally {
    clearTimeout(slow);
    $("waiting").hidden = true;
  }
  panel();
}

function panel() {
  const now = session.row[at];
  const done = session.row.filter((each) => each.state !== null).length;
  const left = session.row.length - done;
  $("progress").max = session.row.length;
  $("progress").value = done;
  $("done").textContent = done;
  $("total").textContent = session.row.length;
  const pace = paces.length ? [...paces].sort((a, b) => a - b)[paces.length >> 1] : session.seconds;
  $("left").textContent = left && pace ? remaining(left * pace) : "";
  $("back").disabled = at === 0;
  $("on").disabled = at === session.row.length - 1;
  $("undo").disabled = done === 0;
  const what = drawn && drawn.outline.length ? "the outlined cell" : "this picture";
  $("question").textContent = asking ? "Why can it not be told?" : `What is ${what}?`;
  const said = drawn ? drawn.said : [];
  $("said").hidden = !said.length;
  $("said").replaceChildren("Called ", ...said.flatMap((each, i) => {
    const name = document.createElement("b");
    name.textContent = each;
    return i ? [" and ", name] : [name];
  }));
  const choices = asking
    ? session.reasons.map((name, i) => [String(i + 1), name, now.reason === name, ""])
    : session.classes.map((name, i) => [String(i + 1), name, now.state === name, ""]);
  if (!asking) choices.push(["0", "unknown", now.state === "unknown", "unknown", now.reason]);
  else choices.push(["Esc", "back to the classes", false, "unknown"]);
  $("answers").className = choices.length > 6 ? "many" : "";
  $("answers").replaceChildren(...choices.map(([key, name, chosen, kind, note]) => {
    const button = document.createElement("button");
    const label = document.createElement("span");
    label.textContent = name;
    button.type = "button";
    button.className = kind;
    button.setAttribute("aria-pressed", chosen);
    button.append(cap(key), label);
    if (note) {
      const more = document.createElement("small");
      more.textContent = note;
      button.append(more);
    }
    button.addEventListener("click", () => { button.blur(); press(key); });
    return button;
  }));
}

function remaining(seconds) {
  if (seconds < 90) return "about a minute left";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

async function answer(state, reason) {
  if (busy || !drawn) return;
  busy = true;
  watch();
  const place = at;
  const seconds = watched / 1000;
  try {
    const told = await (await ask("answer", { key: session.row[place].key, state, reason, seconds })).json();
    Object.assign(session.row[place], told);
    paces.push(Math.min(seconds, 60));
    if (paces.length > 30) paces.shift();
    trouble(null);
    const done = session.row.filter((each) => each.state !== null).length;
    $("news").textContent = `${reason || state}. ${done} of ${session.row.length}.`;
    const order = session.row.map((_, k) => (place + 1 + k) % session.row.length);
    const next = order.find((k) => session.row[k].state === null);
    if (next === undefined) {
      asking = false;
      panel();
      over();
    } else {
      await show(next);
    }
  } catch (error) {
    trouble(error);
  } finally {
    busy = false;
  }
}

async function undo() {
  if (busy) return;
  busy = true;
  try {
    const { key, ...told } = await (await ask("undo", {})).json();
    const place = session.row.findIndex((each) => each.key === key);
    if (place >= 0) {
      Object.assign(session.row[place], told);
      $("news").textContent = "Taken back.";
      await show(place);
    }
    trouble(null);
  } catch (error) {
    trouble(error);
  } finally {
    busy = false;
  }
}

function over() {
  $("over-text").textContent = `All ${session.row.length} pictures have an answer, and all are on the disk. Finish ends the program; its terminal says what comes next.`;
  $("over").showModal();
}

async function finish() {
  try {
    await ask("finish", {});
    $("over").close();
    document.querySelector("main").hidden = true;
    trouble({ message: "Finished. You can close this page." });
  } catch (error) {
    $("over").close();
    trouble(error);
  }
}

function press(key) {
  const number = /^[0-9]$/.test(key) ? Number(key) : -1;
  if (asking) {
    if (number >= 1 && number <= session.reasons.length) answer("unknown", session.reasons[number - 1]);
    else if (key === "Escape" || key === "Esc" || key === "0") { asking = false; panel(); }
    return;
  }
  if (number >= 1 && number <= session.classes.length) answer(session.classes[number - 1], "");
  else if (number === 0 || key === "u") { asking = !busy && Boolean(drawn); panel(); }
}

function step(by) {
  const place = Math.min(session.row.length - 1, Math.max(0, at + by));
  if (place !== at && !busy) show(place);
}

function contrast(by) {
  look("contrast", Math.min(3, Math.max(-2, looks.contrast + by)));
}

document.addEventListener("keydown", (event) => {
  if (!session || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const channel = key.length === 1 ? CHANNEL_KEYS.indexOf(key) : -1;
  const acts = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    ArrowUp: () => contrast(0.25), ArrowDown: () => contrast(-0.25),
    a: () => look("channel", -1), o: () => look("outline", !looks.outline),
    z: () => look("closer", !looks.closer), b: () => look("own", !looks.own),
    "?": () => $("keys").showModal(),
  };
  const once = { Backspace: undo, Escape: () => press("Escape"), u: () => press("u") };
  if (event.target === $("contrast") && key.startsWith("Arrow")) return;
  if (acts[key]) acts[key]();
  else if (once[key]) { if (!event.repeat) once[key](); }
  else if (/^[0-9]$/.test(key)) { if (!event.repeat) press(key); }
  else if (channel >= 0 && drawn && drawn.channels.length > 1 && channel < drawn.channels.length) look("channel", channel);
  else return;
  event.preventDefault();
});

for (const name of ["outline", "own", "closer"]) {
  $(name).addEventListener("click", () => { $(name).blur(); look(name, !looks[name]); });
}
$("contrast").addEventListener("input", () => look("contrast", Number($("contrast").value)));
$("back").addEventListener("click", () => step(-1));
$("on").addEventListener("click", () => step(1));
$("undo").addEventListener("click", () => { $("undo").blur(); undo(); });
$("help").addEventListener("click", () => { $("help").blur(); $("keys").showModal(); });
$("shut").addEventListener("click", () => $("keys").close());
$("again").addEventListener("click", () => $("over").close());
$("finish").addEventListener("click", finish);
document.addEventListener("visibilitychange", watch);
new ResizeObserver(() => draw()).observe($("frame"));

(async () => {
  try {
    session = await (await ask("session")).json();
    const next = session.row.findIndex((each) => each.state === null);
    await show(next >= 0 ? next : session.row.length - 1);
    if (next < 0) over();
  } catch (error) {
    trouble(error);
  }
})();
