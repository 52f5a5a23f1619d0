// One room over Socket.IO: every event exactly once and in order, whatever the connection does.
import { io } from "./vendor/socket.io.esm.min.js";

const PATIENCE = 8000;
const FINAL = ["room.not_found", "room.banned"]; // after any other code one may come again

export class Room extends EventTarget {
  constructor(id, seq, token) {
    super();
    this.id = id;
    this.seq = seq;
    this.early = new Map();
    this.socket = io("/live", { auth: token ? { token } : undefined, transports: ["websocket", "polling"] });
    this.socket.on("connect", () => this.join());
    this.socket.on("disconnect", () => {
      this.tell("away");
      // The library comes back by itself after a broken line, but not when the server said good-bye.
      if (!this.socket.active) setTimeout(() => this.socket.connect(), 2000);
    });
    this.socket.on("connect_error", (error) => this.tell(this.socket.active ? "away" : "refused", error.data));
    this.socket.on("room.event", (event) => this.take(event));
    this.socket.on("presence", (data) => data.room === this.id && this.tell("presence", data));
    for (const name of ["chat.message", "chat.deleted"]) {
      this.socket.on(name, (data) => data.room === this.id && this.tell(name, data));
    }
    this.socket.on("room.gone", (data) => {
      if (data.room !== this.id) return;
      if (FINAL.includes(data.code)) this.tell("gone", data);
      else setTimeout(() => this.join(), 2000);
    });
    this.socket.on("degraded", (data) => this.tell("degraded", data));
    this.socket.on("order.changed", (data) => this.tell("order.changed", data));
  }

  tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  // The answer of the server, or null when none came in time. A refusal is an answer: {ok: false, problem}.
  async ask(name, body) {
    if (!this.socket.connected) await this.here(); // a tap may come before the line is up
    if (!this.socket.connected) return null;
    return this.socket.timeout(PATIENCE).emitWithAck(name, body).catch(() => null);
  }

  // Until the room is joined, or nobody would wait any longer.
  here() {
    return new Promise((done) => {
      this.addEventListener("here", done, { once: true });
      setTimeout(done, PATIENCE);
    });
  }

  // Says from where; gets exactly what was missed, or a snapshot when that is too long ago.
  async join() {
    if (this.joining) return;
    this.joining = true;
    const answer = await this.ask("room.join", { room: this.id, after: this.seq });
    this.joining = false;
    if (!answer) { if (this.socket.connected) setTimeout(() => this.join(), 1000); return; }
    if (!answer.ok) {
      if (answer.problem.retry_after) setTimeout(() => this.join(), 1000 * answer.problem.retry_after);
      else this.tell("refused", answer.problem);
      return;
    }
    if (answer.snapshot) {
      this.seq = answer.seq;
      this.tell("snapshot", answer.snapshot);
    }
    (answer.events || []).forEach((event) => this.take(event));
    this.drain();
    this.tell("here", answer);
  }

  take(event) {
    if (event.room && event.room !== this.id) return;
    if (event.seq <= this.seq) return;
    this.early.set(event.seq, event);
    this.drain();
    // A hole that does not close means something was missed: ask from the last one that is certain.
    if (this.early.size && !this.joining) this.join();
  }

  drain() {
    for (const seq of this.early.keys()) if (seq <= this.seq) this.early.delete(seq);
    while (this.early.has(this.seq + 1)) {
      const event = this.early.get(this.seq + 1);
      this.early.delete(event.seq);
      this.seq = event.seq;
      this.tell("event", event);
    }
  }
}
