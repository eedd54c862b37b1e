"""The scripts that run inside YouTube's page while Chromium lists a channel's streams."""

from __future__ import annotations

__all__ = ["ACCEPT", "ASK", "KEEP_ANSWERS", "LOOK", "READ_DATA", "READ_ITEMS", "READ_STATUS"]

_ITEMS = "ytd-rich-item-renderer, ytd-grid-video-renderer, yt-lockup-view-model"
_MORE = "ytd-continuation-item-renderer, yt-continuation-item-view-model"

# Runs before the page's own scripts: keeps the text of every answer that brings more rows.
KEEP_ANSWERS = """
(() => {
  if (window.top !== window || window.chatlibSeen) return;
  const seen = {answers: [], open: 0, failed: 0};
  Object.defineProperty(window, 'chatlibSeen', {value: seen});
  const brings = (url) => /\\/youtubei\\/v1\\/browse(\\?|$)/.test(String(url));
  const keep = (ok, text) => { ok ? seen.answers.push(text) : seen.failed++; };
  const fetchAsBefore = window.fetch;
  window.fetch = function (input, init) {
    const answer = fetchAsBefore.call(window, input, init);
    if (!brings((input && input.url) || input)) return answer;
    seen.open++;
    answer.then((got) => got.clone().text().then((text) => keep(got.ok, text)))
      .catch(() => { seen.failed++; }).finally(() => { seen.open--; });
    return answer;
  };
  const openAsBefore = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (brings(url)) {
      this.addEventListener('loadstart', () => { seen.open++; });
      this.addEventListener('loadend', () => {
        seen.open--;
        const text = this.responseType === 'json' ? JSON.stringify(this.response)
          : this.responseType === '' || this.responseType === 'text' ? this.responseText : '';
        keep(this.status >= 200 && this.status < 300, text);
      });
    }
    return openAsBefore.call(this, method, url, ...rest);
  };
})();
"""

# Scrolls (up by a screen first if arguments[0], to wake a page that sleeps), then says what is there.
LOOK = f"""
const seen = window.chatlibSeen || {{answers: [], open: 0, failed: 0}};
const page = document.scrollingElement || document.documentElement;
if (arguments[0]) window.scrollBy(0, -1.5 * window.innerHeight); else window.scrollTo(0, page.scrollHeight);
const grid = document.querySelector('ytd-rich-grid-renderer') || document;
const shown = new Set();
for (const item of grid.querySelectorAll('{_ITEMS}')) {{
  const link = item.querySelector('a[href*="/watch?v="]');
  if (link) shown.add(link.href);
}}
return {{answers: seen.answers.splice(0), open: seen.open, failed: seen.failed, shown: shown.size,
        more: grid.querySelectorAll('{_MORE}').length}};
"""

# Asks for the next rows as the page does; arguments[0] is the token. False if it is not known how.
ASK = """
const settings = window.ytcfg || {};
const context = (settings.get && settings.get('INNERTUBE_CONTEXT'))
  || (settings.data_ && settings.data_.INNERTUBE_CONTEXT);
if (!context || !arguments[0]) return false;
fetch('/youtubei/v1/browse?prettyPrint=false', {
  method: 'POST', headers: {'Content-Type': 'application/json'},
  body: JSON.stringify({context: context, continuation: arguments[0]}),
}).catch(() => {});
return true;
"""

READ_DATA = "return window.ytInitialData ? JSON.stringify(window.ytInitialData) : null;"

READ_STATUS = "return (performance.getEntriesByType('navigation')[0] || {}).responseStatus || 0;"

# Ids, titles and durations as the page shows them.
READ_ITEMS = f"""
const grid = document.querySelector('ytd-rich-grid-renderer') || document;
return [...grid.querySelectorAll('{_ITEMS}')].map((item) => {{
  const link = item.querySelector('a[href*="/watch?v="]');
  const title = item.querySelector('#video-title, h3');
  const texts = [...item.querySelectorAll('*')].map((node) => node.textContent.trim());
  return [link && new URL(link.href).searchParams.get('v'),
          title && (title.getAttribute('title') || title.textContent),
          texts.find((text) => /^(\\d+[:.])?\\d+[:.]\\d\\d$/.test(text)) || null];
}});
"""

# Answers the consent page, if possible with no; False if it has no such form.
ACCEPT = """
const forms = [...document.querySelectorAll('form[action*="/save"]')];
const form = forms.find((one) => one.querySelector('input[name="set_eom"][value="true"]')) || forms[0];
const button = form && form.querySelector('button, input[type="submit"]');
if (button) button.click(); else if (form) form.submit();
return Boolean(form);
"""
