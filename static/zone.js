// The server writes times in the zone that this cookie names. A first visit comes without it: load again, or the
// page and its stream, which knows the zone, would tell different times.
(() => {
  const page = document.documentElement.dataset.zone;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const told = () => document.cookie.split("; ").includes(`tz=${zone}`);
  if (!zone || told()) return;
  document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax`;
  if (told() && zone !== page) location.reload();
})();
