/**
 * The script of a live page: takes sections from the server and puts them in place of the old ones. What the reader has
 * opened stays open, what has the focus keeps it, and a chart that is being read waits until it is left.
 */
export const liveScript = `
(() => {
  const main = document.getElementById('main');
  const state = document.getElementById('live');
  const waiting = new Map();
  let order = [];
  const isRead = (section) =>
    [...section.querySelectorAll('.plot')].some((plot) => plot.matches(':hover') || plot === document.activeElement);
  const stops = (section) => [...section.querySelectorAll('a,summary,[tabindex]')];
  const replace = (old, fresh) => {
    const open = new Set([...old.querySelectorAll('details[open]')].map((one) => one.querySelector('summary').textContent));
    for (const one of fresh.querySelectorAll('details')) one.open = open.has(one.querySelector('summary').textContent);
    const places = [...old.querySelectorAll('.scroll,.pictures')].map((one) => [one.getAttribute('aria-label'), one.scrollLeft, one.scrollTop]);
    const focused = stops(old).indexOf(document.activeElement);
    old.replaceWith(fresh);
    for (const one of fresh.querySelectorAll('.scroll,.pictures')) {
      const place = places.find(([label]) => label === one.getAttribute('aria-label'));
      if (place) one.scrollTo(place[1], place[2]);
    }
    if (focused >= 0) stops(fresh)[focused]?.focus({ preventScroll: true });
  };
  const settle = () => {
    for (const [id, text] of waiting) {
      const old = document.getElementById(id);
      if (old && isRead(old)) continue;
      waiting.delete(id);
      const template = document.createElement('template');
      template.innerHTML = text;
      const fresh = template.content.firstElementChild;
      if (old) replace(old, fresh);
      else main.append(fresh);
    }
    const sections = [...main.querySelectorAll(':scope > section')];
    for (const section of sections) if (!order.includes(section.id)) section.remove();
    const wanted = order.map((id) => document.getElementById(id)).filter(Boolean);
    const now = [...main.querySelectorAll(':scope > section')];
    if (wanted.length === now.length && wanted.every((one, i) => one === now[i])) return;
    const nav = main.querySelector('nav');
    for (const section of wanted) main.append(section);
    if (wanted[0]?.id === 'headline') wanted[0].after(nav);
    nav.querySelector('ul').replaceChildren(
      ...wanted.flatMap((section) => {
        const title = section.querySelector('h2');
        if (!title) return [];
        const [item, link] = [document.createElement('li'), document.createElement('a')];
        link.href = '#' + section.id;
        link.textContent = title.textContent;
        item.append(link);
        return [item];
      }),
    );
  };
  const source = new EventSource(state.dataset.events);
  source.onopen = () => { state.textContent = 'live'; };
  source.onerror = () => { state.textContent = 'the server does not answer: this page stands still'; };
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    order = news.order;
    document.title = document.querySelector('h1').textContent = news.title;
    for (const { id, html } of news.sections) waiting.set(id, html);
    settle();
  };
  setInterval(() => { if (waiting.size > 0) settle(); }, 500);
})();
`;
