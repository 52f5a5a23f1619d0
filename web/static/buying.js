// From the card to an order in two taps: ask for a quote, confirm its total. The key of a purchase is written down before
// it is sent, so that after a broken connection the same question gets the same answer.
import { countdown, money, newKey, say } from "./words.js";

const KEPT = "offshelf.purchase";
const node = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};
const button = (text, act, kind = "button main wide") => {
  const element = node("button", { className: kind, type: "button", textContent: text });
  element.addEventListener("click", act);
  return element;
};
const line = (text, kind = "") => node("p", { className: kind, textContent: text });
const link = (text, href, kind = "button main wide") => node("a", { className: kind, href, textContent: text });

export class Buying {
  constructor(room, dialog, touchpoint) {
    this.room = room;
    this.dialog = dialog;
    this.body = dialog.querySelector("#buying-body");
    this.touchpoint = touchpoint;
    room.addEventListener("here", () => this.resume());
    room.addEventListener("order.changed", ({ detail }) => this.changed(detail));
  }

  show(...children) {
    this.body.replaceChildren(...children);
    if (!this.dialog.open) this.dialog.showModal();
  }

  async quote(sku) {
    this.sku = sku;
    this.show(line(say("asking"), "muted"), node("div", { className: "skeleton button wide" }));
    const answer = await this.room.ask("offer.quote", { room: this.room.id, sku, qty: 1 });
    if (!answer) return this.show(line(say("no_answer"), "bad"), button(say("again"), () => this.quote(sku)));
    if (!answer.ok) return this.refused(answer.problem);
    return this.offer(answer);
  }

  offer(answer) {
    const rows = node("dl", { className: "pairs" });
    for (const one of answer.lines || []) {
      rows.append(node("dt", { textContent: `${one.title}, ${one.name} × ${one.qty}` }));
      rows.append(node("dd", { className: "num", textContent: money(one.amount) }));
    }
    rows.append(node("dt", { className: "total", textContent: say("total") }));
    rows.append(node("dd", { className: "num total", textContent: money(answer.total) }));
    const confirm = button(say("confirm", { total: money(answer.total) }), () => this.purchase(answer));
    const place = answer.address;
    if (!place) {
      this.show(rows, line(say("no_address")), this.addressLink());
      return;
    }
    this.show(rows, line(`${say("to")}: ${[place.recipient, place.region, place.street].join(" ")}`, "small muted"), confirm);
    confirm.focus();
    countdown(confirm, answer.expires_at, () => {}, () => this.show(line(say("expired")), button(say("again"), () => this.quote(this.sku))));
  }

  purchase({ quote, total }) {
    sessionStorage.setItem(KEPT, JSON.stringify({ key: newKey(), quote, total, room: this.room.id, sku: this.sku }));
    return this.send("order.purchase");
  }

  get kept() { return JSON.parse(sessionStorage.getItem(KEPT) || "null"); }

  async send(name) {
    const { key, quote } = this.kept;
    this.show(line(say("placing"), "muted"), node("div", { className: "skeleton button wide" }));
    const answer = await this.room.ask(name, name === "order.result" ? { key } : { key, quote });
    if (!answer) return this.show(line(say("unsure")), button(say("again"), () => this.resume(), "button wide"));
    // The first message never arrived: sending it again under its key can only place one order.
    if (!answer.ok && name === "order.result") return this.send("order.purchase");
    return this.result(answer);
  }

  resume() {
    const kept = this.kept;
    if (!kept || kept.room !== this.room.id) return undefined;
    this.sku = kept.sku;
    return this.send("order.result");
  }

  result(answer) {
    const { key, total } = this.kept;
    sessionStorage.removeItem(KEPT);
    if (!answer.ok) return this.refused(answer.problem);
    if (answer.result === "accepted") return this.accepted({ ...answer, total });
    if (answer.result === "all_held") this.waiting = key;
    if (answer.result === "all_held") return this.show(line(say("all_held", { place: answer.place })), button(say("again"), () => this.quote(this.sku), "button wide"));
    if (answer.result === "sold_out") return this.show(line(say("gone")));
    return this.refused(answer.problem);
  }

  accepted({ order, pay_by: payBy, total }) {
    this.order = order;
    const clock = line("", "clock");
    const pay = link(total ? say("pay", { total: money(total) }) : say("see"), `/orders/${this.order}`);
    this.status = line(say("placed"), "good");
    this.show(this.status, clock, pay);
    pay.focus();
    if (payBy) countdown(clock, payBy, (time) => { clock.textContent = say("pay_in", { time }); }, () => { clock.textContent = say("late"); });
  }

  changed({ order, status, key }) {
    if (key && key === this.waiting) return this.waited(status);
    const text = say("states")[status];
    if (order !== this.order || !text || !this.status?.isConnected) return undefined;
    return this.show(Object.assign(this.status, { textContent: text }), link(say("see"), `/orders/${order}`, "button wide"));
  }

  // What became of a place in the queue.
  waited(status) {
    this.waiting = null;
    if (status === "unit_freed") return this.show(line(say("freed"), "good"), button(say("buy"), () => this.quote(this.sku)));
    return this.show(line(say("gone")));
  }

  addressLink() {
    const query = new URLSearchParams({ sku: this.sku, qty: 1, touchpoint: this.touchpoint });
    return link(say("add_address"), `/checkout?${query}`);
  }

  refused(problem) {
    const needsAddress = problem?.code?.startsWith("address.");
    if (problem?.code === "stock.sold_out") return this.show(line(say("gone")));
    this.show(line(problem?.detail || say("refused"), "bad"), needsAddress
      ? this.addressLink()
      : button(say("again"), () => this.quote(this.sku), "button wide"));
    return undefined;
  }
}
