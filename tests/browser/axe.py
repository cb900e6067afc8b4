"""axe-core judges a page (https://www.deque.com/axe). It comes with the tests; nothing else loads it."""

from __future__ import annotations

from mailing.settings import ROOT

AXE = next((ROOT / "tests/browser/vendor").glob("axe-core-*.min.js"))
VIOLATIONS = """
    window.refused = [];
    document.addEventListener("securitypolicyviolation", (event) => refused.push(event.violatedDirective));
"""
JUDGE = """async (only) => (await axe.run(document, {
        resultTypes: ["violations"],
        iframes: false, // they hold a message, in a sandbox in which no script runs
        rules: { "target-size": { enabled: true } },
        ...(only.length ? { runOnly: { type: "rule", values: only } } : {}),
    })).violations.flatMap(({ id, nodes }) => nodes.map(({ html, any, all }) =>
        [id, html.slice(0, 200), ...[...any, ...all].map((check) => check.message)].join(" | ")))"""
EVERY_RULE: tuple[str, ...] = ()
COLORS = ("color-contrast", "link-in-text-block")
SIZES = ("target-size", "scrollable-region-focusable")
LOOKS = COLORS + SIZES
