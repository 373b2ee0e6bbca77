// Draws each chart from the table beside it: the table is what counts, and what is there without this script.

const uPlot = window.uPlot;
const language = document.documentElement.lang;
const POINTS_UP_TO = 45;
// What an axis may count by; of other units, whatever fits.
const STEPS = {
  count: [1, 2, 5].flatMap((digit) => [1, 10, 100, 1e3, 1e4, 1e5, 1e6].map((power) => digit * power)).sort((a, b) => a - b),
  seconds: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400],
};
const drawn = new Map();

/** What the table of a figure says: a label for each row, and the columns that are to be drawn. */
function read(figure) {
  const heads = [...figure.querySelectorAll("thead th")];
  const rows = [...figure.querySelectorAll("tbody tr")];
  const series = [];
  heads.forEach((head, at) => {
    if (!head.dataset.plot) return;
    const cells = rows.map((row) => row.cells[at]);
    series.push({
      kind: head.dataset.plot,
      name: head.textContent,
      values: cells.map((cell) => (cell.dataset.value ? Number(cell.dataset.value) : null)),
      texts: cells.map((cell) => cell.textContent),
    });
  });
  return { labels: rows.map((row) => row.cells[0]), series };
}

function inUnits(unit) {
  if (unit === "percent") return (value) => `${value}%`;
  if (unit === "seconds") {
    return (value) => (value && value % 3600 === 0 ? `${value / 3600} h` : value % 60 ? `${value} s` : `${value / 60} min`);
  }
  const few = { notation: "compact", maximumFractionDigits: 1 };
  const format = unit === "count" ? few : { ...few, style: "currency", currency: unit };
  return (value) => new Intl.NumberFormat(language, format).format(value);
}

function colours(figure) {
  const style = getComputedStyle(figure);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { soft: of("soft"), line: of("line"), card: of("card"), series: [1, 2, 3].map((n) => of(`series-${n}`)) };
}

/** Not by colour alone: the second kind of bar is hatched, the third one is dotted. */
function filling(colour, paper, number) {
  if (number === 0) return colour;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const pen = canvas.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, 8, 8);
  pen.fillStyle = pen.strokeStyle = colour;
  pen.lineWidth = 2.5;
  if (number === 1) {
    for (const from of [-8, 0, 8]) {
      pen.moveTo(from, 8);
      pen.lineTo(from + 8, 0);
    }
    pen.stroke();
  } else {
    pen.fillRect(1, 1, 3, 3);
    pen.fillRect(5, 5, 3, 3);
  }
  return pen.createPattern(canvas, "repeat");
}

/** What stands alone between gaps is no line, and would not be seen. */
function alone(values) {
  return values.flatMap((value, at) =>
    value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null ? [at] : [],
  );
}

function look(one, number, palette) {
  const stroke = palette.series[number];
  if (one.kind === "stack") {
    const fill = filling(stroke, palette.card, number);
    return {
      stroke, fill: () => fill, width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.72, 48] }),
    };
  }
  const few = one.values.length <= POINTS_UP_TO;
  return {
    stroke,
    width: 2,
    dash: one.kind === "dashed" ? [6, 5] : undefined,
    points: { show: true, size: 5, fill: stroke, filter: few ? undefined : () => alone(one.values) },
  };
}

/** Stacked ones stand on those before them, so the highest is drawn first, and the others over it. Of nothing no
 *  bar is drawn. */
function piled(series) {
  const below = series[0].values.map(() => 0);
  return series.map((one) => ({
    ...one,
    values: one.kind === "stack" ? one.values.map((value, at) => (value ? (below[at] += value) : null)) : one.values,
  }));
}

function options(figure, { labels, series }, palette) {
  const format = inUnits(figure.dataset.unit);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: palette.soft, font, ticks: { show: false }, grid: { stroke: palette.line, width: 1 } };
  const most = figure.dataset.unit === "percent" ? 103 : null;
  return {
    ...size(figure),
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, range: [-0.6, labels.length - 0.4] },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), most ?? (high > 0 ? high * 1.08 : 1)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        splits: (plot) => ticks(labels.length, plot.width),
        values: (_, at) => at.map((each) => labels[each]?.dataset.short ?? ""),
      },
      {
        ...axis,
        incrs: STEPS[figure.dataset.unit],
        values: (_, at) => at.map(format),
        size: (_, texts) => 14 + 6.6 * Math.max(3, ...(texts ?? []).map((text) => text.length)),
      },
    ],
    series: [{}, ...series.map((one) => one.look)],
    hooks: { setCursor: [(plot) => say(figure, plot.cursor.idx)] },
  };
}

/** Every n-th day has its name below it, the last one always. */
function ticks(count, width) {
  const step = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(width / 72))));
  return Array.from({ length: count }, (_, at) => at).filter((at) => (count - 1 - at) % step === 0);
}

function size(figure) {
  const plot = figure.querySelector(".plot");
  return { width: Math.max(200, plot.clientWidth), height: plot.clientHeight };
}

/** Which days are pointed at, in the words of the table; nothing is pointed at: what the signs mean. */
function say(figure, at) {
  const { labels, series } = read(figure);
  const key = figure.querySelector(".key");
  key.replaceChildren(
    ...(at === null || at === undefined ? [] : [element("b", labels[at].textContent)]),
    ...series.map((one, number) => {
      const sign = element("span", at === null || at === undefined ? one.name : `${one.name}: ${one.texts[at]}`);
      sign.className = `sign is-${one.kind} series-${number + 1}`;
      return sign;
    }),
  );
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function draw(figure) {
  const said = read(figure);
  if (!said.labels.length || !said.series.length) return;
  const palette = colours(figure);
  const series = piled(said.series).map((one, number) => ({ ...one, look: look(one, number, palette) }));
  if (series[0].kind === "stack") series.reverse();
  const data = [said.labels.map((_, at) => at), ...series.map((one) => one.values)];
  drawn.get(figure)?.destroy();
  drawn.set(figure, new uPlot(options(figure, { labels: said.labels, series }, palette), data, figure.querySelector(".plot")));
  say(figure, null);
}

function begin(figure) {
  draw(figure);
  if (!drawn.has(figure)) return;
  figure.querySelector("details").open = false;
  new ResizeObserver(() => drawn.get(figure).setSize(size(figure))).observe(figure.querySelector(".plot"));
}

const figures = [...document.querySelectorAll("figure.chart")];
figures.forEach(begin);
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
  matchMedia(query).addEventListener("change", () => figures.forEach(draw));
}
