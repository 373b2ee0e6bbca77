/* <paysaga-pricing>: a price list on anybody's page. What it takes and tells: docs/integration/pricing-page.md */
(() => {
  "use strict";
  if (customElements.get("paysaga-pricing")) return;

  const script = document.currentScript ?? document.querySelector('script[src*="/embed/pricing.js"]');
  const HOME = script ? new URL("..", script.src).href : location.origin;
  const READING_MS = 10000;
  const CHECKOUT_MS = 30000;
  const WORDS = {
    en: {
      loading: "Loading prices…",
      failed: "The prices cannot be shown at the moment.",
      again: "Try again",
      stopped: "The checkout could not be opened. Please try again.",
    },
    hu: {
      loading: "Árak betöltése…",
      failed: "Az árak most nem jeleníthetők meg.",
      again: "Újra",
      stopped: "A fizetési oldalt nem sikerült megnyitni. Kérjük, próbálja újra.",
    },
  };
  // Not a <style>: a page whose style-src forbids inline styles would refuse that.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
:host {
  --c-accent: var(--paysaga-accent, #1f4fd1); --c-on-accent: var(--paysaga-on-accent, #fff);
  --c-ground: var(--paysaga-ground, #fff); --c-ink: var(--paysaga-ink, #15181e);
  --c-soft: var(--paysaga-soft, #575d6b); --c-line: var(--paysaga-line, #dadde4);
  --c-good: var(--paysaga-good, #0a7044); --c-bad: var(--paysaga-bad, #b3261e);
  --c-radius: var(--paysaga-radius, 1rem);
  display: block; color: var(--c-ink); font-family: var(--paysaga-font, inherit); line-height: 1.5;
}
@supports (color: light-dark(red, red)) {
  :host {
    --c-accent: var(--paysaga-accent, light-dark(#1f4fd1, #9db4ff));
    --c-on-accent: var(--paysaga-on-accent, light-dark(#fff, #0f1115));
    --c-ground: var(--paysaga-ground, light-dark(#fff, #191c22));
    --c-ink: var(--paysaga-ink, light-dark(#15181e, #eef0f4));
    --c-soft: var(--paysaga-soft, light-dark(#575d6b, #a7adba));
    --c-line: var(--paysaga-line, light-dark(#dadde4, #323742));
    --c-good: var(--paysaga-good, light-dark(#0a7044, #63d5a1));
    --c-bad: var(--paysaga-bad, light-dark(#b3261e, #ffb4ab));
  }
}
:host([hidden]) { display: none; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
* { box-sizing: border-box; margin: 0; }
.body:focus { outline: 0; }
:focus-visible, input:focus-visible + span { outline: 3px solid var(--c-accent); outline-offset: 2px; }
.unseen, input { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
fieldset {
  position: relative; display: flex; flex-wrap: wrap; justify-content: center; gap: .25rem; width: fit-content; max-width: 100%;
  margin: 0 auto 1.5rem; padding: .25rem; background: var(--c-ground); border: 1px solid var(--c-line); border-radius: 2rem;
}
label span { display: block; padding: .375rem 1rem; border-radius: 2rem; color: var(--c-soft); font-weight: 600; cursor: pointer; }
label small { color: var(--c-good); font: inherit; font-size: .875em; }
input:checked + span, input:checked + span small { color: var(--c-on-accent); background: var(--c-accent); }
ul { padding: 0; list-style: none; }
.plans {
  display: grid; gap: 1.25rem; max-width: calc(var(--count) * 23rem); margin: 0 auto;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr));
}
.plan {
  display: grid; grid-row: span 4; grid-template-rows: subgrid; gap: 1.25rem; align-content: start;
  min-width: 0; padding: 1.5rem; overflow-wrap: anywhere;
  background: var(--c-ground); border: 1px solid var(--c-line); border-radius: var(--c-radius);
}
:host([readonly]) .plan { grid-row: span 3; }
.highlighted { border-color: var(--c-accent); box-shadow: 0 0 0 1px var(--c-accent); }
h3 { font-size: 1.25rem; line-height: 1.3; }
.tier, .description, .per, .tax { color: var(--c-soft); font-size: .9375rem; }
.tier { font-size: .8125rem; }
.badge { width: fit-content; margin-bottom: .5rem; padding: 0 .625rem; border-radius: 1rem; font-size: .8125rem; font-weight: 600; color: var(--c-on-accent); background: var(--c-accent); }
.description { margin-top: .25rem; white-space: pre-line; }
.per { display: block; }
.current { padding: .75rem 1rem; border: 1px solid transparent; text-align: center; font-weight: 600; color: var(--c-soft); }
.amount { font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.trial, .saving { color: var(--c-good); font-size: .9375rem; font-weight: 600; }
.button {
  display: block; width: 100%; padding: .75rem 1rem; font: inherit; font-weight: 600; text-align: center; text-decoration: none;
  color: var(--c-accent); background: none; border: 1px solid var(--c-accent); border-radius: calc(var(--c-radius) * .625); cursor: pointer;
}
.button:hover, .highlighted .button { color: var(--c-on-accent); background: var(--c-accent); }
.button:disabled, .button[aria-busy] { opacity: .6; cursor: default; }
.features { display: grid; gap: .375rem; align-content: start; font-size: .9375rem; }
.feature { padding-left: 1.5rem; position: relative; }
.feature::before { content: "✓" / ""; position: absolute; left: 0; color: var(--c-accent); font-weight: 700; }
.limit { color: var(--c-soft); }
.tax, .note { margin-top: 1.25rem; text-align: center; }
.error { color: var(--c-bad); margin-bottom: .75rem; text-align: center; }
.act .error { margin: .75rem 0 0; font-size: .9375rem; }
.again { width: auto; margin: 0 auto 1.25rem; }`);

  /** An element, its class also its ::part(); text in it is never read as markup. */
  function make(tag, name, ...inside) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (name) made.setAttribute("part", name);
    made.append(...inside.filter(Boolean));
    return made;
  }

  /** An address a visitor may be sent to: a backend's answer and an attribute could also say `javascript:`. */
  function address(said) {
    const url = typeof said === "string" && said ? new URL(said, document.baseURI) : null;
    if (!/^https?:$/.test(url?.protocol)) throw new Error("an http or https address is needed");
    return url;
  }

  async function ask(url, wish, timeoutMs, stop = new AbortController()) {
    const timer = setTimeout(() => stop.abort(), timeoutMs);
    try {
      const answer = await fetch(url, { ...wish, signal: stop.signal });
      if (!answer.ok) throw Object.assign(new Error(`the answer was ${answer.status}`), { status: answer.status });
      const json = /[/+]json\b/.test(answer.headers.get("content-type"));
      return { body: json ? await answer.json() : {}, redirectedTo: answer.redirected ? answer.url : null };
    } finally {
      clearTimeout(timer);
    }
  }

  class Pricing extends HTMLElement {
    static observedAttributes = [
      ...["tenant", "api", "lang", "currency", "interval", "highlight", "current"],
      ...["checkout", "link", "quantity", "readonly"],
    ];
    #body = make("div", "body");
    #told = make("p", "unseen");
    #list = null;
    #period = null;
    #reading = null;
    #living = false;
    #due = null;
    #leaving = null;
    #back = () => this.#leaving?.();

    constructor() {
      super();
      this.#body.tabIndex = -1;
      this.#told.setAttribute("role", "status");
      const slots = ["header", "footer"].map((name) => Object.assign(make("slot"), { name }));
      this.attachShadow({ mode: "open" }).append(slots[0], this.#body, slots[1], this.#told);
      this.shadowRoot.adoptedStyleSheets = [sheet];
    }

    connectedCallback() {
      this.#living = true;
      // Whoever comes back from the checkout by the browser's button finds the page as they left it.
      addEventListener("pageshow", this.#back);
      this.#read();
    }

    disconnectedCallback() {
      this.#living = false;
      removeEventListener("pageshow", this.#back);
      this.#reading?.abort();
      this.#reading = null;
    }

    attributeChangedCallback(name, before, after) {
      if (!this.#living || before === after) return;
      if (name === "interval") this.#period = null;
      const anew = ["tenant", "api", "lang"].includes(name) || !this.#list;
      if (this.#due === null) queueMicrotask(() => this.#catchUp());
      this.#due ||= anew;
    }

    #catchUp() {
      const anew = this.#due;
      this.#due = null;
      if (!this.#living) return;
      if (anew) this.#read();
      else this.#draw();
    }

    get #language() {
      const own = this.lang && this.lang !== "auto" ? this.lang : null;
      const said = own ?? this.parentElement?.closest("[lang]")?.lang ?? navigator.language ?? "";
      return said.toLowerCase().startsWith("hu") ? "hu" : "en";
    }

    async #read() {
      this.#reading?.abort();
      const tenant = this.getAttribute("tenant");
      const reading = (this.#reading = new AbortController());
      const words = WORDS[this.#language];
      this.#body.lang = this.#language;
      this.#body.setAttribute("aria-busy", "true");
      this.#list = null;
      this.#swap(this.#own() ?? make("p", "note", tenant ? words.loading : ""));
      if (!tenant) return;
      try {
        const home = (this.getAttribute("api") || HOME).replace(/\/*$/, "/");
        const url = new URL(`embed/${encodeURIComponent(tenant)}/plans.json?lang=${this.#language}`, home);
        const { body } = await ask(url, { credentials: "omit" }, READING_MS, reading);
        if (reading !== this.#reading) return;
        this.#list = body;
        this.#draw();
      } catch (error) {
        if (reading !== this.#reading) return;
        this.#list = null;
        const again = make("button", "button again", words.again);
        again.dataset.key = "again";
        again.onclick = () => this.#read();
        this.#swap(this.#alert(words.failed), again, this.#own());
        this.#tell("error", { stage: "prices", status: error.status ?? null, message: error.message });
      }
      this.#body.removeAttribute("aria-busy");
    }

    /** What the page itself has put between the tags: shown until there is better. */
    #own() {
      const fills = (node) => (node.nodeType === 1 ? !node.slot : node.nodeType === 3 && node.data.trim());
      return [...this.childNodes].some(fills) ? make("slot") : null;
    }

    #alert(text) {
      const alert = make("p", "error", text);
      alert.setAttribute("role", "alert");
      return alert;
    }

    #tell(name, detail, cancelable = false) {
      return this.dispatchEvent(new CustomEvent(`paysaga:${name}`, { bubbles: true, composed: true, cancelable, detail }));
    }

    /** Other contents; who was at one of the old is at its successor afterwards. */
    #swap(...contents) {
      const held = this.shadowRoot.activeElement;
      const key = held?.dataset.key;
      this.#body.replaceChildren(...contents.filter(Boolean));
      if (!held) return;
      const next = [...this.#body.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
      (next ?? this.#body).focus({ preventScroll: true });
    }

    #draw() {
      const { currencies, periods, plans, words, tax } = this.#list;
      const wanted = (this.getAttribute("currency") ?? "").toUpperCase();
      const currency = currencies.includes(wanted) ? wanted : currencies[0];
      const offers = plans
        .map((plan) => ({ plan, prices: plan.prices.filter((price) => price.currency === currency) }))
        .filter(({ prices }) => prices.length);
      const paid = offers.flatMap(({ prices }) => prices).filter((price) => price.amount);
      const switched = periods.filter(({ key }) => paid.some((price) => price.period === key));
      const start = switched.find(({ interval }) => interval === this.getAttribute("interval")) ?? switched[0];
      if (!switched.some(({ key }) => key === this.#period)) this.#period = start?.key;
      if (!offers.length) return this.#swap(make("p", "note", words.nothing));
      const cards = make("ul", "plans");
      cards.style.setProperty("--count", offers.length);
      cards.setAttribute("role", "list"); // Safari takes a list without bullets for none.
      this.#fill(cards, offers, words);
      const choose = (key) => {
        this.#period = key;
        const shown = this.#fill(cards, offers, words);
        this.#told.textContent = shown.map(({ plan, price }) => [plan.name, price.shown, price.per ?? ""].join(" ")).join(". ");
      };
      this.#swap(
        switched.length > 1 && this.#switch(switched, paid, words.switch, choose),
        cards,
        tax && make("p", "tax", tax),
      );
    }

    #switch(periods, paid, legend, choose) {
      const options = periods.map(({ key, name }) => {
        const saves = Math.max(0, ...paid.filter((price) => price.period === key).map((price) => price.saves ?? 0));
        const option = make("input");
        Object.assign(option, { type: "radio", name: "period", value: key, checked: key === this.#period });
        option.dataset.key = `period ${key}`;
        option.onchange = () => choose(key);
        return make("label", "", option, make("span", "option", name, saves && make("small", "saves", ` −${saves}%`)));
      });
      return make("fieldset", "switch", make("legend", "unseen", legend), ...options);
    }

    /** The plans at the chosen period; one that is not sold for it shows the period it is sold for. */
    #fill(cards, offers, words) {
      const shown = offers.map(({ plan, prices }) => ({
        plan,
        price: prices.find((price) => price.period === this.#period) ?? prices[0],
      }));
      cards.replaceChildren(...shown.map(({ plan, price }) => this.#card(plan, price, words)));
      return shown;
    }

    #card(plan, price, words) {
      const highlighted = plan.id === this.getAttribute("highlight");
      const mine = price.id === this.getAttribute("current");
      const tier = plan.tier?.toLowerCase() === plan.name.toLowerCase() ? null : plan.tier;
      const text = (name, said) => said && make("p", name, said);
      const features = plan.features.map(({ feature, text: limit }) =>
        make("li", "feature", feature, limit && make("span", "limit", ` · ${limit}`)),
      );
      const act = mine ? text("current", words.current) : this.#button(plan, price);
      return make(
        "li",
        highlighted ? "plan highlighted" : "plan",
        make("div", "head", text("badge", highlighted && words.recommended), text("tier", tier), make("h3", "name", plan.name), text("description", plan.description)),
        make(
          "div",
          "cost",
          make("p", "price", make("b", "amount", price.shown), " ", price.per && make("span", "per", price.per)),
          text("saving", price.saving),
          text("trial", price.trial),
        ),
        !this.hasAttribute("readonly") && make("div", "act", act),
        make("ul", "features", ...features),
      );
    }

    get #link() {
      try {
        return this.hasAttribute("link") ? address(this.getAttribute("link")) : null;
      } catch {
        return null; // It leads nowhere, and the button tells `paysaga:select` only.
      }
    }

    #button(plan, price) {
      const link = this.#link;
      const button = make(link ? "a" : "button", "button", plan.choose);
      button.dataset.key = `plan ${plan.id}`;
      const quantity = Math.max(1, Number.parseInt(this.getAttribute("quantity"), 10) || 1);
      if (link) {
        link.searchParams.set("priceId", price.id);
        link.searchParams.set("quantity", quantity);
        button.href = link.href;
      }
      button.onclick = (event) => {
        const { id: priceId, interval, intervalCount, currency } = price;
        const detail = { planId: plan.id, priceId, interval, intervalCount, currency, quantity };
        if (!this.#tell("select", detail, true)) event.preventDefault();
        else if (!link) this.#checkOut(button, { priceId, quantity });
      };
      return button;
    }

    /** The tenant's own backend makes the session; it alone knows who is buying, and holds the secret. */
    async #checkOut(button, chosen) {
      const backend = this.getAttribute("checkout");
      if (!backend || this.#leaving) return;
      button.parentElement.querySelector(".error")?.remove();
      button.setAttribute("aria-busy", "true");
      this.#leaving = () => {
        this.#leaving = null;
        button.removeAttribute("aria-busy");
      };
      try {
        const headers = { "Content-Type": "application/json", Accept: "application/json" };
        const wish = { method: "POST", credentials: "include", headers, body: JSON.stringify(chosen) };
        const { body, redirectedTo } = await ask(backend, wish, CHECKOUT_MS);
        location.assign(address(body.sessionUrl ?? redirectedTo));
      } catch (error) {
        this.#leaving?.();
        button.after(this.#alert(WORDS[this.#language].stopped));
        this.#tell("error", { stage: "checkout", status: error.status ?? null, message: error.message });
      }
    }
  }

  customElements.define("paysaga-pricing", Pricing);
})();
