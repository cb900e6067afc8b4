// The server writes times in the zone that this cookie names. A first visit comes without it: load again, or the
// page and its stream, which knows the zone, would tell different times.
(() => {
  const { zone: page, root } = document.documentElement.dataset;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = () => document.cookie.split("; ").includes(`tz=${zone}`);
  if (!zone || told()) return;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `tz=${zone}; path=${root || "/"}; max-age=31536000; samesite=lax${secure}`;
  if (told() && zone !== page) location.reload();
})();
