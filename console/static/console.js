// What every page of the console does beyond its HTML: it tells times in its reader's own zone.

/** Times are written in UTC by a server that does not know where the reader is; that one stays within reach. */
function inTheReadersZone(page) {
  const zone = (timeStyle) => new Intl.DateTimeFormat(page.documentElement.lang, { dateStyle: "medium", timeStyle });
  const [toTheMinute, toTheSecond] = [zone("short"), zone("medium")];
  for (const time of page.querySelectorAll("time")) {
    time.title = time.textContent;
    const told = "seconds" in time.dataset ? toTheSecond : toTheMinute;
    time.textContent = told.format(new Date(time.dateTime));
  }
}

inTheReadersZone(document);
