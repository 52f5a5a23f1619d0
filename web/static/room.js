// The live room: video, chat, the explained product and the shelf, kept true by live.js; buying is in buying.js.
import { Buying } from "./buying.js";
import { Room } from "./live.js";
import { again, bar, money, newKey, say, short } from "./words.js";

const $ = (id) => document.getElementById(id);
const page = $("room");
const { room: roomId, touchpoint } = page.dataset;
const KEEP = 200;
const announce = (text) => { $("announce").textContent = text; };

// ---- video: hls.js where the browser has Media Source Extensions, native HLS elsewhere (iPhones); never before the page stands
const AGAIN = 2000;
function loadScript(src) {
  return new Promise((done, fail) => {
    document.head.append(Object.assign(document.createElement("script"), { src, onload: done, onerror: fail }));
  });
}

async function playVideo(video) {
  const { src } = video.dataset;
  video.controls = false;
  $("sound").hidden = false;
  if ("MediaSource" in window) {
    video.removeAttribute("src");
    await loadScript(new URL("./vendor/hls.light.min.js", import.meta.url).href);
    const player = new window.Hls({ enableWorker: false, liveSyncDurationCount: 2, maxBufferLength: 20, backBufferLength: 10 });
    player.on(window.Hls.Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === window.Hls.ErrorTypes.MEDIA_ERROR) player.recoverMediaError();
      else setTimeout(() => player.loadSource(src), AGAIN);
    });
    player.loadSource(src);
    player.attachMedia(video);
  } else {
    // A native player gives up at the first playlist that is not there yet, as in a room's first seconds.
    const load = () => { video.src = src; start(video); };
    video.addEventListener("error", () => { if (page.dataset.status === "live") setTimeout(load, AGAIN); });
    video.src = src;
  }
  await start(video);
}

// Where the browser lets nothing play by itself, its own button does.
async function start(video) {
  video.controls = await video.play().then(() => false, () => true);
}

let playing = false;
function play() {
  const video = $("video");
  if (!video || playing) return;
  playing = true;
  playVideo(video).catch(() => { video.controls = true; });
}

if ($("video")) {
  const video = $("video");
  if (page.dataset.stream !== "waiting") play();
  $("sound").addEventListener("click", () => {
    video.muted = !video.muted;
    $("sound").setAttribute("aria-pressed", String(!video.muted));
    $("sound").querySelector("use").setAttribute("href", new URL(`./icons.svg#${video.muted ? "mute" : "sound"}`, import.meta.url).href);
  });
}

// ---- chat: new lines never steal the scroll
const chat = $("chat");
const atEnd = () => chat.scrollHeight - chat.scrollTop - chat.clientHeight < 40;
const toEnd = () => { chat.scrollTop = chat.scrollHeight; unread = 0; $("fresh").hidden = true; };
let unread = 0;

function addLine(from, text, n) {
  const line = document.createElement("p");
  if (n !== undefined) line.dataset.n = n;
  if (from) line.append(Object.assign(document.createElement("span"), { className: "from", textContent: from }), " ");
  else line.className = "notice";
  line.append(text);
  const following = atEnd();
  chat.append(line);
  while (following && chat.children.length > KEEP) chat.firstElementChild.remove();
  if (following) return toEnd();
  unread += 1;
  $("fresh").textContent = say("fresh", { n: unread });
  $("fresh").hidden = false;
  return undefined;
}

$("fresh").addEventListener("click", toEnd);
chat.addEventListener("scroll", () => { if (atEnd()) { unread = 0; $("fresh").hidden = true; } }, { passive: true });
$("fold").hidden = false;
$("fold").addEventListener("click", () => {
  chat.hidden = !chat.hidden;
  $("fold").setAttribute("aria-pressed", String(chat.hidden));
  if (!chat.hidden) toEnd();
});
toEnd();

// ---- goods: one record per SKU, drawn in every place where it is shown
const goods = new Map();
let pinnedSku = page.dataset.pinned || null;

function draw(product) {
  const card = $("goods-shape").content.firstElementChild.cloneNode(true);
  card.dataset.sku = product.sku_id;
  const title = card.querySelector("h3 a");
  title.textContent = [product.title, product.sku_name].filter(Boolean).join(" · ");
  title.href = `/products/${product.product_id}?sku=${product.sku_id}&touchpoint=${encodeURIComponent(touchpoint)}`;
  if (product.cover) {
    const { url, width, height } = product.cover;
    card.querySelector(".blank").replaceWith(Object.assign(new Image(width, height), { src: url, alt: "" }));
  }
  const buy = card.querySelector(".buy");
  buy.href = `/checkout?sku=${product.sku_id}&qty=1&touchpoint=${encodeURIComponent(touchpoint)}`;
  fill(card, product);
  return card;
}

function fill(card, product) {
  const price = card.querySelector(".price");
  const stock = card.querySelector("[data-stock]");
  const buy = card.querySelector(".buy");
  const left = product.stock?.available ?? product.available_units;
  price.textContent = product.price ? money(product.price) : product.priceText;
  stock.textContent = !product.available ? say(product.stock?.state === "all_held" ? "held" : "sold_out") : left != null && left < 10 ? say("left", { n: left }) : say("in_stock");
  stock.className = product.available ? "small muted" : "small bad";
  buy.textContent = product.available ? say("buy") : say("sold_out");
  buy.ariaDisabled = product.available ? null : "true";
  buy.classList.toggle("main", product.available);
}

function change(sku, values) {
  const product = { ...goods.get(sku), ...values };
  goods.set(sku, product);
  document.querySelectorAll(`.goods[data-sku="${CSS.escape(sku)}"]`).forEach((card) => {
    fill(card, product);
    card.classList.remove("marked");
    requestAnimationFrame(() => card.classList.add("marked"));
  });
}

function setShelf(products) {
  goods.clear();
  products.forEach((one) => goods.set(one.sku_id, one));
  $("shelf-list").replaceChildren(...products.map(draw));
  $("shelf-empty").hidden = products.length > 0;
  $("shelf-count").textContent = products.length;
}

function pin(sku) {
  const known = goods.get(sku);
  const changed = sku !== pinnedSku;
  pinnedSku = known ? sku : null;
  $("pinned").replaceChildren(...(known ? [draw(known)] : []));
  if (known && changed) announce(say("pinned", { title: known.title }));
}

function readPage() {
  document.querySelectorAll("#shelf-list .goods").forEach((card) => {
    const link = card.querySelector("h3 a");
    const image = card.querySelector("img");
    goods.set(card.dataset.sku, {
      sku_id: card.dataset.sku, product_id: new URL(link.href).pathname.split("/").pop(), title: link.textContent,
      priceText: card.querySelector(".price").textContent, available: !card.querySelector(".buy").ariaDisabled,
      cover: image && { url: image.getAttribute("src"), width: image.width, height: image.height },
    });
  });
}
readPage();

// ---- the room's own events
function ended() {
  page.dataset.status = "ended";
  $("word").hidden = false;
  $("word").querySelector("h2").textContent = say("ended");
  $("word").querySelector("p").textContent = say("ended_text");
  $("live-label").hidden = true;
  $("video")?.pause();
  announce(say("ended"));
}

// The host's picture has not come yet, or broke off: chat and shelf go on.
function streamed(state) {
  const waiting = state === "waiting";
  if (page.dataset.status !== "live" || waiting === (page.dataset.stream === "waiting")) return;
  page.dataset.stream = state;
  $("word").hidden = !waiting;
  if (waiting) {
    $("word").querySelector("h2").textContent = say("waiting");
    $("word").querySelector("p").textContent = say("stay");
    announce(say("waiting"));
  } else play();
}

const handlers = {
  "stream.changed": (data) => streamed(data.state),
  "room.started": again,
  "room.ended": ended,
  "product.pinned": (data) => pin(data.sku_id),
  "shelf.changed": (data) => { setShelf(data.shelf); pin(goods.has(pinnedSku) ? pinnedSku : null); },
  "stock.changed": (data) => {
    const { available, reserved, state } = data;
    change(data.sku_id, { available: available > 0, stock: { available, reserved, state } });
  },
  "order.placed": (data) => {
    const titles = (data.sku_ids || []).map((sku) => goods.get(sku)?.title).filter(Boolean);
    if (titles.length) addLine("", say("bought", { title: titles.join(", ") }));
  },
  notice: (data) => addLine("", data.text),
  "moderation.acted": (data) => { if (data.action === "cut" || data.action === "hide") ended(); },
};

function snapshot(state) {
  setShelf(state.shelf);
  pin(state.pinned);
  if (state.status === "ended") ended();
  if (state.stream) streamed(state.stream);
  if (state.status === "live" && page.dataset.status !== "live") again();
}

function degraded(realtime) { $("degraded").hidden = !realtime; }

function joined({ viewers, chat: recent, degraded: realtime }) {
  degraded(realtime);
  $("viewers").textContent = short(viewers);
  const last = Number([...chat.children].reverse().find((line) => line.dataset.n)?.dataset.n ?? 0);
  recent.filter((one) => one.n > last).forEach((one) => addLine(one.from.name, one.text, one.n));
  if (wasAway) bar(say("caught_up"), true);
  wasAway = false;
}

const room = new Room(roomId, Number(page.dataset.seq), page.dataset.token);
let wasAway = false;
room.addEventListener("event", ({ detail }) => handlers[detail.kind]?.(detail.data || {}));
room.addEventListener("snapshot", ({ detail }) => snapshot(detail));
room.addEventListener("presence", ({ detail }) => { $("viewers").textContent = short(detail.viewers); });
room.addEventListener("chat.message", ({ detail }) => addLine(detail.from.name, detail.text, detail.n));
room.addEventListener("degraded", ({ detail }) => degraded(detail.realtime));
room.addEventListener("chat.deleted", ({ detail }) => chat.querySelector(`[data-n="${Number(detail.n)}"]`)?.remove());
room.addEventListener("away", () => { wasAway = true; bar(say("reconnecting")); });
room.addEventListener("here", ({ detail }) => joined(detail));
room.addEventListener("gone", () => { ended(); $("word").querySelector("h2").textContent = say("gone_out"); });
room.addEventListener("refused", ({ detail }) => bar(detail?.detail || say("failed")));

const buying = new Buying(room, $("buying"), touchpoint);
document.addEventListener("click", (event) => {
  const buy = event.target.closest(".goods .buy");
  if (!buy || !document.body.dataset.me || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  if (buy.ariaDisabled === "true") return;
  $("shelf").close();
  buying.quote(buy.closest(".goods").dataset.sku);
});
$("bag").addEventListener("click", (event) => { event.preventDefault(); $("shelf").showModal(); });
document.querySelectorAll("dialog.sheet").forEach((sheet) => sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); }));

$("say")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = $("line");
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  const answer = await room.ask("chat.send", { room: roomId, text, key: newKey() });
  if (answer?.ok) { toEnd(); return; }
  if (!input.value) input.value = text;
  bar(answer?.problem?.detail || say("no_answer"), true);
});
