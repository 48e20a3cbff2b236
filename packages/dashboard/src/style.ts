/** How pages look. Colours are made for both themes, and no state is told by colour alone. */
export const style = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f7f7f8, #0e1014);
  --panel: light-dark(#ffffff, #16191f);
  --raised: light-dark(#f2f3f5, #1e222a);
  --line: light-dark(#e3e5ea, #272c36);
  --strong-line: light-dark(#cdd1da, #3a4150);
  --text: light-dark(#171a21, #e8eaf0);
  --faint: light-dark(#5b6272, #9aa3b5);
  --run: light-dark(#3451d1, #8ea2ff);
  --run-soft: light-dark(#e9edfd, #202a4d);
  --good: light-dark(#1a7243, #62cf92);
  --good-soft: light-dark(#e2f4e9, #163226);
  --warn: light-dark(#8a5300, #f0b54d);
  --warn-soft: light-dark(#fdf0d8, #38290f);
  --bad: light-dark(#b3261e, #ff8f86);
  --bad-soft: light-dark(#fde8e6, #431c1b);
  --pause: light-dark(#66409e, #c3a3f5);
  --pause-soft: light-dark(#f1eafb, #2d2144);
  --sans: ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif;
  --mono: ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
}
:root[data-theme='light'] { color-scheme: light; }
:root[data-theme='dark'] { color-scheme: dark; }

*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 14px/1.5 var(--sans);
  font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%;
}
h1, h2, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: 22px; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h2 { font-size: 13px; line-height: 1.4; font-weight: 600; }
a { color: inherit; text-decoration-color: var(--strong-line); text-underline-offset: 3px; }
a:hover { text-decoration-color: currentColor; }
code, pre, .instance { font-family: var(--mono); font-size: 0.92em; }
:focus-visible { outline: 2px solid var(--run); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
.faint { color: var(--faint); }
.small { font-size: 12px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 12px; top: -60px; z-index: 3; padding: 8px 14px; background: var(--panel); border: 1px solid var(--strong-line); border-radius: 6px; }
.skip:focus { top: 8px; }

.top { position: sticky; top: 0; z-index: 2; background: var(--panel); border-bottom: 1px solid var(--line); }
.bar { max-width: 1240px; margin: 0 auto; padding: 0 24px; min-height: 52px; display: flex; align-items: center; gap: 8px 28px; }
.brand { display: flex; align-items: center; gap: 9px; font-weight: 650; letter-spacing: -0.01em; text-decoration: none; min-width: 0; }
.brand span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.logo { width: 20px; height: 20px; flex: none; fill: none; stroke: var(--run); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.logo circle { fill: var(--run); }
.top nav { display: flex; gap: 4px; align-self: stretch; }
.top nav a { display: flex; align-items: center; padding: 0 10px; color: var(--faint); text-decoration: none; border-bottom: 2px solid transparent; border-top: 2px solid transparent; }
.top nav a:hover { color: var(--text); }
.top nav a[aria-current='page'] { color: var(--text); font-weight: 600; border-bottom-color: var(--run); }
.who { margin-left: auto; display: flex; align-items: center; gap: 12px; min-width: 0; }
.operator { color: var(--faint); max-width: 180px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.live { display: inline-flex; align-items: center; gap: 6px; font-size: 12px; color: var(--faint); }
.live::before { content: ''; width: 7px; height: 7px; border-radius: 50%; background: var(--strong-line); }
.live[data-live='true']::before { background: var(--good); }
.theme { display: grid; place-items: center; width: 32px; height: 32px; padding: 0; border: 1px solid transparent; border-radius: 6px; background: none; color: var(--faint); cursor: pointer; }
.theme:hover { background: var(--raised); color: var(--text); }
.theme svg { width: 17px; height: 17px; fill: none; stroke: currentColor; stroke-width: 1.7; }
.theme .half { fill: currentColor; stroke: none; }

main { max-width: 1240px; margin: 0 auto; padding: 26px 24px 64px; display: grid; gap: 18px; grid-template-columns: minmax(0, 1fr); }
.notice { max-width: 1192px; margin: 16px auto 0; padding: 10px 14px; border-radius: 8px; background: var(--good-soft); color: var(--good); font-weight: 550; }
.title { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; }
.crumbs { font-size: 12.5px; color: var(--faint); margin-bottom: -12px; }
.lead { margin-top: -8px; }
.lead .words { font-size: 15px; }
.panel, .message, .confirm { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; min-width: 0; }
.panel > h2, .panel-head { margin-bottom: 10px; }
.panel-head { display: flex; justify-content: space-between; gap: 12px; }
.message { padding: 44px 24px; text-align: center; display: grid; gap: 8px; }
.message p { max-width: 60ch; margin: 0 auto; }
.message h1, .message h2 { font-size: 17px; }
.empty { color: var(--faint); padding: 8px 0; }
.empty.good::before { content: '✓'; display: inline-grid; place-items: center; width: 20px; height: 20px; margin-right: 9px; border-radius: 50%; background: var(--good-soft); color: var(--good); font-weight: 700; font-size: 12px; }
.more { margin-top: 10px; font-size: 13px; }
.banner { padding: 10px 14px; border-radius: 8px; border: 1px solid transparent; background: var(--warn-soft); color: var(--warn); overflow-wrap: anywhere; }
.banner[data-tone='bad'] { background: var(--bad-soft); color: var(--bad); }
.banner .faint { color: inherit; }
.columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 18px; align-items: start; }
.columns.worker { grid-template-columns: minmax(0, 5fr) minmax(0, 3fr); }
.stack { display: grid; gap: 18px; grid-template-columns: minmax(0, 1fr); }
.scroll { overflow-x: auto; }

.tiles { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); background: var(--panel); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.tiles li + li { border-left: 1px solid var(--line); }
.tiles a { display: grid; align-content: start; gap: 2px; padding: 14px 16px 12px; text-decoration: none; height: 100%; }
.tiles a:hover { background: var(--raised); }
.tiles a:focus-visible { outline-offset: -3px; }
.tiles b { font-size: 26px; line-height: 1.15; font-weight: 620; letter-spacing: -0.02em; }
.tiles span { font-size: 12.5px; color: var(--faint); }
.tiles [data-tone='none'] b { color: var(--faint); font-weight: 500; }
.tiles [data-tone='run'] b { color: var(--run); }
.tiles [data-tone='warn'] b { color: var(--warn); }
.tiles [data-tone='bad'] b { color: var(--bad); }

.badges { display: inline-flex; flex-wrap: wrap; gap: 4px; }
.badge { display: inline-flex; align-items: center; gap: 6px; padding: 1px 9px 1px 8px; border-radius: 99px; font-size: 12px; font-weight: 570; line-height: 20px; white-space: nowrap; background: var(--raised); color: var(--faint); }
.badge.large { font-size: 12.5px; line-height: 22px; }
.badge::before { content: ''; width: 6px; height: 6px; border-radius: 50%; background: currentColor; }
.badge[data-tone='calm']::before { background: none; box-shadow: inset 0 0 0 1.5px currentColor; }
.badge[data-tone='pause']::before { border-radius: 0; width: 6px; height: 8px; background: none; border: solid currentColor; border-width: 0 2px; }
.badge[data-tone='warn']::before, .badge[data-tone='bad']::before { border-radius: 1px; rotate: 45deg; }
.badge[data-tone='run'] { background: var(--run-soft); color: var(--run); }
.badge[data-tone='good'] { background: var(--good-soft); color: var(--good); }
.badge[data-tone='warn'] { background: var(--warn-soft); color: var(--warn); }
.badge[data-tone='bad'] { background: var(--bad-soft); color: var(--bad); }
.badge[data-tone='pause'] { background: var(--pause-soft); color: var(--pause); }
.tag { display: inline-block; padding: 0 6px; border: 1px solid var(--strong-line); border-radius: 4px; font-size: 11.5px; line-height: 17px; color: var(--faint); white-space: nowrap; }
.outcome { font-weight: 570; color: var(--faint); }
.outcome[data-tone='run'] { color: var(--run); }
.outcome[data-tone='good'] { color: var(--good); }
.outcome[data-tone='warn'] { color: var(--warn); }
.outcome[data-tone='bad'] { color: var(--bad); }
.spark { display: block; width: 179px; max-width: 100%; height: 18px; }
.spark path { fill: var(--strong-line); }
.spark .none { fill: var(--line); }
.spark [data-outcome='succeeded'] { fill: var(--good); }
.spark [data-outcome='failed'], .spark [data-outcome='lost'] { fill: var(--bad); }
.spark [data-outcome='aborted'], .spark [data-outcome='missed'] { fill: var(--warn); }
.outcomes { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 22px; }
.outcomes .spark { width: 358px; height: 36px; }

.list { display: grid; }
.list li { padding: 10px 0; border-top: 1px solid var(--line); display: grid; gap: 3px; min-width: 0; }
.list li:first-child { border-top: 0; padding-top: 2px; }
.list li:last-child { padding-bottom: 0; }
.list li > div { display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; justify-content: space-between; }
.list p { color: var(--faint); font-size: 13px; overflow-wrap: anywhere; }
.list.slim li { display: flex; justify-content: space-between; gap: 12px; padding: 7px 0; }
.list.slim li:first-child { padding-top: 0; }
.list.slim .faint { white-space: nowrap; }
.name { font-weight: 570; overflow-wrap: anywhere; }
a.name { text-decoration-color: transparent; }
a.name:hover { text-decoration-color: currentColor; }

.plot { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 4px 8px; margin: 10px 0 8px; font-size: 11px; color: var(--faint); }
.plot svg { width: 100%; height: 124px; display: block; }
.plot .y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; }
.plot .x { grid-column: 2; display: flex; justify-content: space-between; }
.plot .grid { stroke: var(--line); vector-effect: non-scaling-stroke; fill: none; }
.plot .runs { fill: var(--run); }
.plot .failures { fill: var(--bad); }
.legend { display: flex; gap: 14px; font-size: 12px; color: var(--faint); }
.legend span::before { content: ''; display: inline-block; width: 9px; height: 9px; margin-right: 6px; border-radius: 2px; background: var(--run); }
.legend [data-tone='bad']::before { background: var(--bad); }
details > summary { cursor: pointer; color: var(--faint); font-size: 12.5px; margin-top: 8px; }

table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: inherit; }
thead th { padding: 8px 14px; font-size: 12px; font-weight: 550; color: var(--faint); white-space: nowrap; }
thead a { text-decoration: none; }
thead a:hover { color: var(--text); }
.arrow { display: inline-block; width: 1em; text-align: center; }
td, tbody th { padding: 9px 14px; border-top: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
.sub { display: block; font-size: 12px; color: var(--faint); overflow-wrap: anywhere; }
.took { color: var(--faint); white-space: nowrap; }
td time, dd time, td .instance { white-space: nowrap; }
.scroll td, .scroll th { padding: 6px 14px 6px 0; }
table.workers { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; border-spacing: 0; border-collapse: separate; }
table.workers thead th { position: sticky; top: 53px; background: var(--panel); border-radius: 10px; z-index: 1; }
table.workers tbody tr:hover { background: light-dark(#fafafb, #191d24); }
table.workers thead th:first-child { width: 24%; }
table.workers thead th:nth-child(4) { width: 172px; }
.workers td:nth-child(5) { padding-top: 12px; }
table.workers .note { max-width: 240px; }
.records { margin: 0 -18px; width: calc(100% + 36px); font-size: 13px; }
.records thead th, .records td { padding: 7px 9px; }
.records th:first-child, .records td:first-child { padding-left: 18px; }
.records th:last-child, .records td:last-child { padding-right: 18px; }
.records .of-error td { padding-top: 0; border-top: 0; }
.reason { color: var(--faint); }
.error, .error > summary { color: var(--bad); font-size: 12.5px; margin: 2px 0 0; overflow-wrap: anywhere; }
.error pre { max-height: 320px; margin: 6px 0; padding: 10px 12px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--raised); color: var(--text); border-radius: 6px; font-size: 12px; }

.facts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
.facts > div { padding: 12px 16px; min-width: 0; }
.facts > div + div { border-left: 1px solid var(--line); }
dt { font-size: 12px; color: var(--faint); }
.facts dd { font-weight: 550; }
.facts .sub { font-weight: 400; }
.definition { display: grid; }
.definition > div { display: grid; grid-template-columns: 130px minmax(0, 1fr); gap: 12px; padding: 5px 0; }
.definition dd { overflow-wrap: anywhere; }
.due { display: grid; margin-top: 6px; }
.due li { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 12px; padding: 4px 0; }
.due time:first-child { font-family: var(--mono); font-size: 12.5px; }
.due time:last-child { color: var(--faint); font-size: 12.5px; }
.offset { color: var(--faint); }

.actions { display: flex; flex-wrap: wrap; gap: 8px; }
.button, button[type='submit'] { display: inline-flex; align-items: center; justify-content: center; min-height: 34px; padding: 5px 14px; border: 1px solid var(--strong-line); border-radius: 7px; background: var(--panel); color: var(--text); font: inherit; font-weight: 550; text-decoration: none; cursor: pointer; }
.button:hover, button[type='submit']:hover { background: var(--raised); }
.button[data-tone='run'] { background: light-dark(#3451d1, #4763e0); border-color: transparent; color: #fff; }
.button[data-tone='run']:hover { background: light-dark(#2a43b4, #3b55cc); }
.actions .button[data-tone='bad'] { color: var(--bad); }
button.button[data-tone='bad'] { background: light-dark(#b3261e, #c9372e); border-color: transparent; color: #fff; }
button.button[data-tone='bad']:hover { background: light-dark(#96201a, #b02e26); }

.search { display: flex; gap: 8px; }
input:not([type='radio']) { flex: 1; width: 100%; min-width: 0; min-height: 36px; padding: 6px 12px; border: 1px solid var(--strong-line); border-radius: 7px; background: var(--panel); color: var(--text); font: inherit; }
input::placeholder { color: var(--faint); opacity: 1; }
input[type='radio'] { accent-color: var(--run); }
input:focus-visible { outline-offset: -1px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; }
.chips a { display: inline-flex; gap: 7px; padding: 3px 11px; border: 1px solid var(--line); border-radius: 99px; background: var(--panel); text-decoration: none; font-size: 13px; }
.chips a:hover { border-color: var(--strong-line); }
.chips a[aria-current='true'] { background: var(--text); border-color: var(--text); color: var(--page); }
.chips .count { color: var(--faint); }
.chips a[aria-current='true'] .count { color: inherit; }
.pager { display: flex; justify-content: center; align-items: center; gap: 22px; padding: 6px 0; }

dialog { width: min(460px, calc(100vw - 32px)); padding: 0; border: 1px solid var(--strong-line); border-radius: 12px; background: var(--panel); color: inherit; box-shadow: 0 24px 64px rgb(0 0 0 / 0.28); }
dialog::backdrop { background: rgb(10 12 16 / 0.5); }
dialog .confirm { border: 0; }
.confirm { max-width: 520px; padding: 22px 24px; display: grid; gap: 10px; }
.confirm h1 { font-size: 18px; }
.confirm form { display: grid; gap: 12px; margin-top: 2px; }
.field { display: grid; gap: 4px; }
fieldset { border: 0; margin: 0; padding: 0; display: grid; gap: 10px; }
.choice { display: flex; align-items: center; gap: 8px; font-weight: 550; }
.choice input { margin: 0; }
fieldset .field { margin-left: 21px; }
/* What belongs to the other kind of schedule. */
.choice:has(input:not(:checked)) + .field, .choice:has(input:not(:checked)) + .field + .field { display: none; }
.buttons { display: flex; justify-content: flex-end; gap: 8px; margin-top: 6px; }

@media (max-width: 1080px) {
  .tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .tiles li:nth-child(5) { border-left: 0; }
  .tiles li:nth-child(n + 5) { border-top: 1px solid var(--line); }
  .columns, .columns.worker { grid-template-columns: minmax(0, 1fr); }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .facts > div:nth-child(3) { border-left: 0; }
  .facts > div:nth-child(n + 3) { border-top: 1px solid var(--line); }
}
@media (max-width: 860px) {
  table.workers, table.records { border: 0; background: none; }
  .workers thead, .records thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .workers, .records { display: block; }
  .workers tbody, .records tbody { display: grid; gap: 10px; grid-template-columns: minmax(0, 1fr); }
  .workers tr, .records tr { display: grid; gap: 8px 16px; padding: 12px 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
  .workers tr { grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); }
  .records tr { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 6px 12px; }
  .records { margin: 0; width: 100%; }
  .workers tbody td, .workers tbody th, .records tbody td { padding: 0; border: 0; text-align: left; }
  .workers td:nth-child(1n), .records td:nth-child(1n) { padding: 0; }
  .workers tbody th { font-size: 15px; }
  .workers tbody th, .workers td:nth-child(2), .workers td:nth-child(5), .workers td:nth-child(6), .records td:first-child { grid-column: 1 / -1; }
  .workers td:nth-child(6) { grid-row: 2; }
  td[data-label]::before { content: attr(data-label); display: block; font-size: 11.5px; line-height: 16px; color: var(--faint); }
  td:is([data-label='Outcome'], [data-label='Schedule'], [data-label='Recent'], [data-label='State'])::before { content: none; }
  .workers .spark { width: 100%; }
  .workers td:nth-child(5):not(:has([data-outcome])) { display: none; }
  .records tr:has(+ .of-error) { border-bottom: 0; border-radius: 10px 10px 0 0; }
  .records .of-error { margin-top: -10px; border-top: 0; border-radius: 0 0 10px 10px; padding-top: 0; }
  table.workers .note { max-width: none; }
}
@media (max-width: 620px) {
  .bar { padding: 0 14px; flex-wrap: wrap; gap: 0 14px; }
  .brand { min-height: 46px; flex: 1 1 0; }
  .top nav { order: 3; flex-basis: 100%; min-height: 38px; margin: 0 -10px; }
  .who { gap: 8px; }
  .operator { max-width: 84px; }
  main { padding: 18px 14px 48px; gap: 14px; }
  .notice { margin: 12px 14px 0; }
  .facts { grid-template-columns: minmax(0, 1fr); }
  .facts > div + div { border-left: 0; border-top: 1px solid var(--line); }
  .due time:first-child, .due time:last-child { font-size: 11.5px; }
  .definition > div { grid-template-columns: 110px minmax(0, 1fr); }
  .tiles a { padding: 11px 12px 10px; }
  .tiles b { font-size: 21px; }
  .tiles span { font-size: 12px; }
}
@media (prefers-reduced-motion: no-preference) {
  a, button { transition: background-color 0.12s, border-color 0.12s, color 0.12s; }
}
@media print { .top { position: static; } .actions, .search, .theme { display: none; } }
`
