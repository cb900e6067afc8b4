// The dialog of share links opens again after one was created or revoked.
if (location.hash === "#share") {
  document.getElementById("share").showModal();
  history.replaceState(null, "", location.pathname + location.search);
}
