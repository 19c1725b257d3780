//! The look of the page: one style sheet, light and dark, no script and nothing from elsewhere.

/// The style sheet.
pub(crate) const STYLE: &str = r#"
:root { color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d2126; --soft: #5d6670; --line: #dedbd3; --grid: #ece9e2;
  --good: #1a7f4b; --good-bg: #e3f4ea; --bad: #b3261e; --bad-bg: #fbe4e2; --warn: #8a5a00; --warn-bg: #fdf0d2;
  --sent: #2f6fb2; --sent-fill: #2f6fb233; --handled: #b0642a; --p99: #7a4fa3; --bar: #2f6fb2; --kill: #b3261e; --net: #8b939c; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --card: #1c2024; --ink: #e7e5e0; --soft: #9aa3ad; --line: #343a41; --grid: #282d33;
  --good: #63c98f; --good-bg: #17352550; --bad: #ff8a80; --bad-bg: #4a1f1c80; --warn: #e8b65a; --warn-bg: #46351380;
  --sent: #6ea8e6; --sent-fill: #6ea8e63a; --handled: #e39a62; --p99: #bb94e0; --bar: #6ea8e6; --kill: #ff8a80; --net: #79828c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 28px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 40px 0 8px; } h3 { font-size: 15px; margin: 20px 0 6px; }
p, ul { margin: 6px 0; } a { color: var(--sent); } .soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; margin: 14px 0; }
.badge { display: inline-block; padding: 1px 10px; border-radius: 999px; font-weight: 600; font-size: 13px; white-space: nowrap; }
.kept { color: var(--good); background: var(--good-bg); } .broken { color: var(--bad); background: var(--bad-bg); }
.not-proven { color: var(--warn); background: var(--warn-bg); } .none { color: var(--soft); background: var(--grid); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; width: 100%; }
th, td { padding: 6px 7px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; } th { color: var(--soft); font-weight: 600; }
td.kept, td.broken, td.not-proven { font-weight: 600; } td.allowed, td.none { color: var(--soft); background: none; font-weight: 400; }
.phases { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 4px 24px; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, "DejaVu Sans", sans-serif; }
svg .title { fill: var(--ink); font-weight: 600; font-size: 12px; } .axis { stroke: var(--line); } .grid { stroke: var(--grid); }
.sent { stroke: var(--sent); fill: var(--sent-fill); stroke-width: 1.5; } .handled { stroke: var(--handled); fill: none; stroke-width: 1.5; }
.p50 { stroke: var(--sent); fill: none; stroke-width: 1.5; } .p99 { stroke: var(--p99); fill: none; stroke-width: 1.5; }
.bar { fill: var(--bar); } .bar-planned { fill: var(--grid); } .mark-end { stroke: var(--kill); stroke-width: 1.5; } .mark-net { stroke: var(--net); stroke-width: 1; }
.mark-consumer { stroke: var(--warn); stroke-width: 1.5; }
.key { display: inline-block; width: 18px; height: 3px; border-radius: 2px; margin: 0 5px 3px 12px; vertical-align: middle; }
blockquote { margin: 8px 0; padding: 8px 14px; border-left: 3px solid var(--bad); background: var(--bad-bg); border-radius: 0 8px 8px 0; }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; } details { margin: 8px 0; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 6px 0; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
"#;
