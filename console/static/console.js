// What every page of the console does beyond its HTML: it tells times in its reader's own zone.

/** Times are written in UTC by a server that does not know where the reader is; that one stays within reach. */
function inTheReadersZone(page) {
  const zone = new Intl.DateTimeFormat(page.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of page.querySelectorAll("time")) {
    time.title = time.textContent;
    time.textContent = zone.format(new Date(time.dateTime));
  }
}

inTheReadersZone(document);
