// Follows one payment: asks for its page again, and puts what is new in the place of the old.
// Without this script the page reloads itself.

const FIRST = 2_000;
const LONGEST = 15_000;
const PATIENCE = 10_000;

let pause = FIRST;
let timer;

/** Times are written in UTC by a server that does not know where the reader is. */
function inTheReadersZone(page) {
  const zone = new Intl.DateTimeFormat(page.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of page.querySelectorAll("time")) {
    time.textContent = zone.format(new Date(time.dateTime));
  }
}

/** Only what differs is touched: nothing is read out twice, and a button in use stays where it is. */
function take(fresh) {
  inTheReadersZone(fresh);
  for (const now of fresh.querySelectorAll("[data-part]")) {
    const shown = document.getElementById(now.id);
    if (shown.innerHTML === now.innerHTML) continue;
    const inUse = shown.contains(document.activeElement);
    shown.replaceChildren(...now.childNodes);
    if (inUse) document.querySelector("h1").focus();
  }
  document.title = fresh.title;
  document.querySelector("main").toggleAttribute("data-moving", isMoving(fresh));
}

function isMoving(page) {
  return page.querySelector("main").hasAttribute("data-moving");
}

async function ask() {
  try {
    const answer = await fetch(location.href, {
      cache: "no-store",
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout?.(PATIENCE),
    });
    if (answer.status === 401 || answer.status === 404) {
      location.reload(); // The link is no longer good, and that page says so.
      return;
    }
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // Nobody answered. What is shown was true a moment ago, and the next question comes.
  }
  pause = Math.min(pause * 1.25, LONGEST);
  follow();
}

function follow() {
  clearTimeout(timer);
  if (isMoving(document) && document.visibilityState === "visible") timer = setTimeout(ask, pause);
}

/** Whoever comes back to the page wants to know now. */
function lookedAt() {
  pause = FIRST;
  clearTimeout(timer);
  if (isMoving(document) && document.visibilityState === "visible") ask();
}

inTheReadersZone(document);
document.addEventListener("visibilitychange", lookedAt);
addEventListener("pageshow", (event) => event.persisted && lookedAt());
follow();
