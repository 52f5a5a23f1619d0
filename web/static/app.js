// Every page works without this file; it only saves waiting and reloading.
import { again, api, bar, countdown, newKey, now, say, words } from "./words.js";

const on = (type, selector, act) => document.addEventListener(type, (event) => {
  const element = event.target.closest?.(selector);
  if (element) act(event, element);
});

// Like, save, follow: shown at once, because undoing is honest here; taken back when the server disagrees.
function press(button, pressed) {
  if (button.hasAttribute("aria-pressed")) button.setAttribute("aria-pressed", String(pressed));
  button.value = pressed ? "0" : "1";
  const number = button.querySelector("[data-number]");
  if (number && /^\d+$/.test(number.textContent)) number.textContent = Number(number.textContent) + (pressed ? 1 : -1);
}

on("click", "button[data-toggle]", async (event, button) => {
  if (!document.body.dataset.me) return;
  event.preventDefault();
  if (button.ariaBusy === "true") return;
  const pressed = button.value === "1";
  press(button, pressed);
  button.ariaBusy = "true";
  try {
    await api(pressed ? "PUT" : "DELETE", button.dataset.toggle);
    if (button.dataset.toggle.endsWith("/follow")) location.reload();
  } catch (error) {
    press(button, !pressed);
    bar(error.message, true);
  } finally {
    button.ariaBusy = "false";
  }
});

// More: the same page with a cursor, its items appended; the link stays when that fails.
function skeletons(list) {
  const rows = list.matches(".waterfall") ? ["s32", "s24", "s32", "s24"] : [];
  return rows.map((rows) => {
    const item = document.createElement("li");
    item.className = rows;
    item.innerHTML = '<div class="card skeleton"></div>';
    item.ariaHidden = "true";
    list.append(item);
    return item;
  });
}

async function more(link) {
  if (link.ariaBusy === "true") return;
  link.ariaBusy = "true";
  const list = document.querySelector("[data-items]");
  const waiting = skeletons(list);
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(say("failed"));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const items = page.querySelector("[data-items]");
    const next = page.querySelector("a[data-more]");
    const moved = document.activeElement === link;
    waiting.forEach((one) => one.remove());
    const fresh = items ? [...items.children] : [];
    list.append(...fresh);
    if (moved) fresh[0]?.querySelector("a")?.focus();
    if (next) { link.href = next.href; watch(link); } else link.parentElement.replaceWith(page.querySelector(".empty") ?? "");
  } catch (error) {
    bar(navigator.onLine ? error.message : say("offline"), true);
  } finally {
    waiting.forEach((one) => one.remove());
    link.ariaBusy = "false";
  }
}

on("click", "a[data-more]", (event, link) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  more(link);
});

// By itself only for somebody who scrolled down to the link: what the feed loads counts as shown.
function watch(link) {
  new IntersectionObserver((entries, observer) => {
    if (scrollY < innerHeight / 2 || !entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    more(link);
  }).observe(link);
}
document.querySelectorAll("a[data-more]").forEach((link) => {
  if (document.querySelector(".waterfall")) watch(link);
});

// Suggestions while typing.
let typing;
on("input", ".find input", (event, input) => {
  clearTimeout(typing);
  if (input.value.trim().length < 2) return;
  typing = setTimeout(async () => {
    const found = await api("GET", `/api/v1/search/suggest?q=${encodeURIComponent(input.value.trim())}`).catch(() => null);
    const options = (found?.items || []).slice(0, 8).map((one) => new Option("", typeof one === "string" ? one : one.text));
    document.getElementById("suggestions").replaceChildren(...options);
  }, 150);
});

// A tap answers at once, and sends once (the server would answer a second one with the first result anyway).
on("submit", "form[data-once]", (event, form) => {
  if (form.ariaBusy === "true") { event.preventDefault(); return; }
  form.ariaBusy = "true";
  setTimeout(() => form.querySelectorAll("button").forEach((one) => { one.disabled = true; }));
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-once]").forEach((form) => {
    form.ariaBusy = "false";
    form.querySelectorAll("button").forEach((one) => { one.disabled = false; });
  });
});
on("click", "button[data-sure]", (event, button) => { if (!confirm(button.dataset.sure)) event.preventDefault(); });

document.querySelectorAll("[data-countdown]").forEach((element) => {
  const clock = document.createElement("b");
  clock.className = "clock";
  element.append(" ", clock);
  countdown(element, element.dataset.countdown, (text) => { clock.textContent = text; }, () => {
    element.textContent = element.dataset.over;
    setTimeout(again, 2000);
  });
});

document.querySelectorAll("[data-gallery]").forEach((strip) => {
  const numbers = [...(strip.parentElement.querySelector("[data-count]")?.children || [])];
  strip.addEventListener("scroll", () => {
    const at = Math.round(strip.scrollLeft / strip.clientWidth);
    numbers.forEach((one, index) => { one.ariaCurrent = index === at ? "true" : null; });
  }, { passive: true });
  numbers.forEach((one, index) => one.addEventListener("click", (event) => {
    event.preventDefault();
    strip.scrollTo({ left: index * strip.clientWidth });
  }));
});
document.querySelectorAll("[data-scroll-end]").forEach((box) => { box.scrollLeft = box.scrollWidth; });

// Menus close by Escape and by a tap elsewhere.
document.addEventListener("click", (event) => document.querySelectorAll("details.menu[open]").forEach((menu) => {
  if (!menu.contains(event.target)) menu.open = false;
}));
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

// A first visit counts by this, once the browser has the cookie that makes it somebody.
if (document.body.dataset.act) {
  const event = { id: newKey(), at: new Date(now()).toISOString(), ...JSON.parse(document.body.dataset.act) };
  api("POST", "/api/v1/events", { events: [event] }).catch(() => {});
}

addEventListener("offline", () => bar(words.offline));
addEventListener("online", () => bar(words.online, true));
if (!navigator.onLine) bar(words.offline);
