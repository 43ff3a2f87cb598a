// The mail's frame: loads a new document beside the shown one and swaps when it can be seen, so nothing flashes and
// the stage keeps its place; measures its height; is dragged to any width, and made smaller where it does not fit.

export const NARROWEST = 280;
export const WIDEST = 1440;
const SHORTEST = 240;
const SETTLING_MS = 2000;

export class MailFrame {
  /** `onWidth(width, done)` is called while the handle is dragged, and with `done` when it is let go. */
  constructor({ stage, device, holder, handle, onWidth }) {
    Object.assign(this, { stage, device, holder, handle, onWidth });
    this.frame = null;
    this.width = 1024;
    this.turn = 0;
    this.floor = 0;
    this.observer = new ResizeObserver(() => this.measure());
    new ResizeObserver(() => this.fit()).observe(stage);
    this.#drag();
  }

  /** Show the document at `url`; true once it is shown, false if it is an error's or a later one came before it. */
  async show(url, title) {
    const turn = ++this.turn;
    this.incoming?.remove();
    const frame = document.createElement("iframe");
    // No scripts run in it; same-origin lets this page ask for its height (see security.mail_policy).
    frame.setAttribute("sandbox", "allow-same-origin allow-popups allow-popups-to-escape-sandbox");
    frame.title = title;
    frame.className = "mail-frame incoming";
    frame.style.width = `${this.width}px`;
    frame.style.height = `${SHORTEST}px`;
    frame.src = url;
    this.incoming = frame;
    this.holder.append(frame);
    const shown = await readable(frame, () => turn === this.turn);
    if (!shown || frame.contentDocument.querySelector('meta[name="newsletter-error"]')) {
      frame.remove();
      return false;
    }
    const before = this.frame;
    // Until its pictures have come it is lower than it will be; held as high as the one before, the stage keeps its place.
    this.floor = before?.clientHeight ?? 0;
    const settle = () => {
      if (this.frame !== frame) return;
      this.floor = 0;
      this.measure();
    };
    frame.addEventListener("load", settle);
    setTimeout(settle, SETTLING_MS); // a picture from elsewhere may never come
    this.frame = frame;
    this.incoming = null;
    this.measure();
    frame.classList.remove("incoming");
    before?.remove();
    this.observer.disconnect();
    this.observer.observe(frame.contentDocument.documentElement);
    if (frame.contentDocument.readyState === "complete") settle();
    return true;
  }

  /** Make the frame as wide as asked, in CSS pixels of the mail. */
  resize(width) {
    this.width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)));
    for (const frame of [this.frame, this.incoming]) if (frame) frame.style.width = `${this.width}px`;
    this.handle.setAttribute("aria-valuenow", this.width);
    this.handle.setAttribute("aria-valuetext", `${this.width} pixels`);
    this.measure();
  }

  /** The frame is as high as its document, so that the stage scrolls and not the frame. */
  measure() {
    const root = this.frame?.contentDocument?.documentElement;
    if (root) {
      const inner = root.scrollHeight > this.frame.clientHeight ? root.scrollHeight : root.offsetHeight;
      const height = Math.max(SHORTEST, this.floor, Math.ceil(inner));
      if (Math.abs(height - this.frame.clientHeight) > 1) this.frame.style.height = `${height}px`;
    }
    this.fit();
  }

  /** Scale down what is wider than the stage. */
  fit() {
    const style = getComputedStyle(this.stage);
    const room = this.stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    this.scale = Math.min(1, room / this.width);
    const height = this.frame ? this.frame.clientHeight : SHORTEST;
    this.device.style.width = `${Math.floor(this.width * this.scale)}px`;
    this.holder.style.height = `${Math.ceil(height * this.scale)}px`;
    this.holder.style.setProperty("--scale", this.scale);
    this.onFit?.(this.width, this.scale);
  }

  #drag() {
    const { handle } = this;
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      document.body.classList.add("dragging");
      const start = event.clientX, width = this.width, scale = this.scale;
      // The device is centred: it grows on both sides by as much as the pointer moves on one.
      const move = (moved) => this.onWidth(width + 2 * (moved.clientX - start) / scale, false);
      const done = () => {
        handle.removeEventListener("pointermove", move);
        document.body.classList.remove("dragging");
        this.onWidth(this.width, true);
      };
      handle.addEventListener("pointermove", move);
      handle.addEventListener("pointerup", done, { once: true });
      handle.addEventListener("pointercancel", done, { once: true });
    });
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -10, ArrowRight: 10, PageDown: -100, PageUp: 100 }[event.key];
      const end = { Home: NARROWEST, End: WIDEST }[event.key];
      if (step === undefined && end === undefined) return;
      event.preventDefault();
      this.onWidth(end ?? this.width + step, true);
    });
  }
}

/** Resolve when the frame's document is parsed: pictures may still be on their way. */
function readable(frame, wanted) {
  return new Promise((resolve) => {
    const look = () => {
      if (!wanted() || !frame.isConnected) return resolve(false);
      const inner = frame.contentDocument;
      if (inner && inner.URL !== "about:blank" && inner.readyState !== "loading") return resolve(true);
      setTimeout(look, 4);
    };
    look();
  });
}
