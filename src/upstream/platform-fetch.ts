// undici's package installs its own agent behind the global `fetch` of the process, unless that has one already.
// Node makes its own when a fetch class is first touched: done here, before undici is imported, a host's `fetch`
// stays what it is.
void globalThis.Response;
