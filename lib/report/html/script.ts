/** The scripts of reports, as text that goes into the page; without them everything is still there to read. */

/**
 * Pointer or arrow keys move a line over a chart; values at the nearest point of each curve are written below. One
 * listener for the whole page, so that charts may be replaced.
 */
export const cursorScript = `
(() => {
  const read = new WeakMap();
  const dataOf = (plot) => {
    if (!read.has(plot)) {
      const data = JSON.parse(plot.querySelector('script').textContent);
      const places = [...new Set(data.series.flatMap((s) => s.points.map((p) => p[2])))].sort((a, b) => a - b);
      read.set(plot, { ...data, places, at: -1 });
    }
    return read.get(plot);
  };
  const nearest = (points, x) => {
    let [low, high] = [0, points.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][2] < x) low = middle;
      else high = middle;
    }
    return Math.abs(points[low][2] - x) <= Math.abs(points[high][2] - x) ? points[low] : points[high];
  };
  const show = (plot, x) => {
    const data = dataOf(plot);
    const found = data.series.map((s) => [s.name, nearest(s.points, x)]);
    const first = found.reduce((a, b) => (Math.abs(b[1][2] - x) < Math.abs(a[1][2] - x) ? b : a));
    plot.querySelector('.cursor').setAttribute('d', 'M' + first[1][2] + ' 10V220');
    plot.querySelector('output').textContent =
      data.xTitle + ' ' + first[1][0] + ': ' + found.map(([name, p]) => name + ' ' + p[1]).join(', ');
    data.at = data.places.indexOf(first[1][2]);
  };
  const plotOf = (event) => (event.target instanceof Element ? event.target.closest('.plot') : null);
  document.addEventListener('pointermove', (event) => {
    const plot = plotOf(event);
    if (!plot) return;
    const box = plot.querySelector('svg').getBoundingClientRect();
    show(plot, ((event.clientX - box.left) / box.width) * 640);
  });
  document.addEventListener('keydown', (event) => {
    const plot = plotOf(event);
    if (!plot || plot !== document.activeElement) return;
    const { places, at } = dataOf(plot);
    const last = places.length - 1;
    const page = Math.max(1, Math.round(last / 20));
    const to = {
      ArrowRight: at + 1, ArrowLeft: at < 0 ? last : at - 1, PageUp: at + page, PageDown: at - page, Home: 0, End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(plot, places[Math.min(last, Math.max(0, to))]);
  });
})();
`;
