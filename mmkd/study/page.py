"""Style and script of ``report.html``; nothing is loaded from anywhere."""

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto;
  max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
p.note, figcaption { color: #444; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: right; }
th { vertical-align: bottom; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th button { font: inherit; font-weight: 600; border: 0; background: none; padding: 0;
  cursor: pointer; color: inherit; }
th button::after { content: '\\00a0\\2195'; color: #888; }
th[aria-sort=ascending] button::after { content: '\\00a0\\2191'; color: #000; }
th[aria-sort=descending] button::after { content: '\\00a0\\2193'; color: #000; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; }
details { margin: .3rem 0; }
summary { cursor: pointer; }
pre { font-size: .75rem; line-height: 1.35; background: #f5f5f5; padding: .6rem; overflow: auto;
  max-height: 30rem; }
ul.warnings { background: #fff6df; border-left: 4px solid #E69F00; padding: .6rem 1rem .6rem 2rem; }
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  table { font-size: 9px; } th button::after { content: ''; } th, td { padding: .15rem .3rem; }
  figure, table { break-inside: avoid; } pre { max-height: none; }
}
"""

# A cell's data-v is what it is sorted by; cells without one come last either way.
SCRIPT = """
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const key = row => row.cells[column].dataset.v;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
"""
