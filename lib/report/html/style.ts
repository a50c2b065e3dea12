/** The look of reports: the system's font, light and dark by what the reader prefers, wide tables scroll by themselves. */

/** Curves: distinct in hue, in lightness and by dashes; each at least 3:1 on its background. */
export const palette = {
  light: ['#0060a8', '#c04a00', '#00795a', '#96308a', '#7a5c00', '#b3123c', '#4b4b9c', '#4d4d4d'],
  dark: ['#62b4f0', '#f2934a', '#4bd3a8', '#e39ad6', '#e0c13a', '#ff8fa3', '#a9a9f5', '#c8c8c8'],
} as const;

const dashes = ['none', '7 3', '2 2', '10 3 2 3', '5 2', '1 3', '12 4', '3 6'];

const variables = (colours: readonly string[]) =>
  colours.map((colour, i) => `--series-${i}:${colour}`).join(';');

export const style = `
:root{color-scheme:light dark;--back:#fff;--front:#1b1f23;--quiet:#57606a;--line:#d0d7de;--soft:#f3f5f7;--accent:#0060a8;--good:#00694e;--bad:#b3123c;${variables(palette.light)}}
@media(prefers-color-scheme:dark){:root{--back:#14171a;--front:#e6e8ea;--quiet:#a2abb4;--line:#3a4149;--soft:#1e2327;--accent:#62b4f0;--good:#4bd3a8;--bad:#ff8fa3;${variables(palette.dark)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--front);font:15px/1.5 system-ui,sans-serif}
main,header{max-width:1400px;margin:0 auto;padding:0 1rem}
header{padding-top:1rem}
h1{font-size:1.5rem;margin:.2rem 0;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .4rem}
a{color:var(--accent)}
nav ul,ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:0;padding:0}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--back);padding:.3rem .6rem}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.quiet{color:var(--quiet)}
.good{color:var(--good)}
.bad{color:var(--bad)}
dl.figures{display:flex;flex-wrap:wrap;gap:.6rem;margin:.8rem 0}
dl.figures div{background:var(--soft);border-radius:6px;padding:.5rem .9rem;min-width:8rem}
dl.figures dt{color:var(--quiet);font-size:.85rem}
dl.figures dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}
dl.figures dd small{font-size:.85rem;color:var(--quiet)}
progress{width:100%;height:.7rem;accent-color:var(--accent)}
.grid-of-charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:1rem}
figure{margin:0;min-width:0}
figcaption{font-weight:600}
ul.legend{font-size:.85rem}
ul.legend svg{width:28px;height:10px;margin-right:.4rem}
.chart{max-width:760px}
.chart .plot>svg{width:100%;height:auto;display:block}
.chart text{fill:var(--quiet);font-size:12px}
.chart .grid{stroke:var(--line);fill:none}
.chart .line,.legend path{fill:none;stroke-width:1.7}
.chart .cursor{stroke:var(--quiet);fill:none}
.chart output{display:block;min-height:1.5em;font-size:.85rem;color:var(--quiet);font-variant-numeric:tabular-nums}
${palette.light.map((_, i) => `path.series-${i},.series-${i} path{stroke:var(--series-${i});stroke-dasharray:${dashes[i]}}circle.series-${i}{fill:var(--series-${i})}`).join('\n')}
.scroll{overflow:auto;margin:.6rem 0;max-width:100%;max-height:36rem}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--quiet);padding-bottom:.2rem}
th,td{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:left;font-weight:400;overflow-wrap:anywhere}
thead th{font-weight:600;vertical-align:bottom}
.number{text-align:right}
.heat{background:color-mix(in srgb,var(--accent) calc(var(--share)*45%),transparent)}
.bar{display:inline-block;width:12rem;height:.8rem;background:linear-gradient(90deg,var(--accent) calc(var(--share)*100%),var(--line) 0)}
.pictures{display:flex;gap:.8rem;overflow-x:auto;padding-bottom:.5rem}
.pictures figure{flex:0 0 auto;max-width:min(100%,36rem)}
.pictures img{max-width:100%;height:auto;display:block}
.pictures figcaption{font-weight:400;font-size:.85rem;color:var(--quiet)}
.grid-of-pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:1rem}
.grid-of-pictures img{width:100%;height:auto;display:block}
.grid-of-pictures figcaption{font-weight:400;font-size:.85rem;color:var(--quiet)}
.grid-of-pictures .file{display:block;color:var(--front);overflow-wrap:anywhere}
.swatch{display:inline-block;width:.9rem;height:.9rem;margin-right:.4rem;vertical-align:-.1rem;border:1px solid var(--quiet);background:var(--colour)}
pre{background:var(--soft);padding:.8rem;overflow:auto;border-radius:6px}
summary{cursor:pointer;color:var(--accent)}
@media(min-width:700px){caption{white-space:nowrap}}
@media print{nav,.skip,output{display:none}}
`;
