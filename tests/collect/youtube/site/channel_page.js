// Renders a channel's grid from ytInitialData, and makes it longer as the visitor scrolls.
(function () {
  "use strict";
  const style = document.createElement("style");
  style.textContent =
    "body{margin:0}ytd-rich-grid-renderer #contents{display:flex;flex-wrap:wrap}" +
    "ytd-rich-item-renderer{display:block;width:24%;height:260px;margin:0 .5% 16px;overflow:hidden}" +
    "ytd-continuation-item-renderer{display:block;width:100%;height:48px}";
  document.head.append(style);

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  const textOf = (node) =>
    !node ? "" : node.simpleText || node.content || (node.runs || []).map((run) => run.text).join("");

  function drawLockup(lockup) {
    const shown = lockup.contentImage.thumbnailViewModel;
    const badge = shown.overlays[0].thumbnailBottomOverlayViewModel.badges[0].thumbnailBadgeViewModel;
    const metadata = lockup.metadata.lockupMetadataViewModel;
    const href = "/watch?v=" + lockup.contentId;
    const rows = metadata.metadata.contentMetadataViewModel.metadataRows.map((row) =>
      make("div", { class: "yt-content-metadata-view-model__metadata-row" },
        ...(row.metadataParts || []).map((part) => make("span", { role: "text" }, textOf(part.text)))));
    return make("yt-lockup-view-model", { class: "ytd-rich-item-renderer lockup" },
      make("a", { href: href, class: "yt-lockup-view-model__content-image", tabindex: "-1" },
        make("yt-thumbnail-view-model", {}, make("badge-shape", {}, badge.text))),
      make("yt-lockup-metadata-view-model", {},
        make("h3", { title: metadata.title.content },
          make("a", { href: href + "&pp=0gcJCfwJAYcqIYzv", class: "yt-lockup-metadata-view-model__title" },
            make("span", {}, metadata.title.content))), ...rows));
  }

  function append(items) {
    const contents = document.querySelector("ytd-rich-grid-renderer #contents");
    for (const item of items) {
      if (item.richItemRenderer) {
        const content = item.richItemRenderer.content;
        contents.append(make("ytd-rich-item-renderer", { class: "style-scope ytd-rich-grid-renderer" },
          make("div", { id: "content" }, drawLockup(content.lockupViewModel))));
      } else if (item.continuationItemRenderer) {
        const waiting = make("ytd-continuation-item-renderer", {}, make("tp-yt-paper-spinner", {}));
        contents.append(waiting);
        watch(waiting, item.continuationItemRenderer.continuationEndpoint.continuationCommand.token);
      }
    }
  }

  function watch(waiting, token) {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        observer.disconnect();
        load(waiting, token, 5);
      }
    });
    observer.observe(waiting);
  }

  async function load(waiting, token, attempts) {
    try {
      const answer = await fetch("/youtubei/v1/browse?prettyPrint=false", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ context: window.yt.INNERTUBE_CONTEXT, continuation: token }),
      });
      const content = await answer.json();
      const action = content.onResponseReceivedActions[0].appendContinuationItemsAction;
      waiting.remove();
      append(action.continuationItems);
    } catch (error) {
      if (attempts > 1) setTimeout(() => load(waiting, token, attempts - 1), 500);
    }
  }

  const tabs = window.ytInitialData.contents.twoColumnBrowseResultsRenderer.tabs;
  const selected = tabs.map((tab) => tab.tabRenderer).find((tab) => tab.selected);
  const grid = selected.content.richGridRenderer;
  document.querySelector("ytd-app").append(
    make("ytd-guide-renderer", {}, make("a", { href: "/watch?v=promotion00" }, "Promoted")),
    make("ytd-browse", { "page-subtype": "channels" },
      make("ytd-rich-grid-renderer", {}, make("div", { id: "contents" }))));
  // The real page draws its grid some time after it is loaded.
  setTimeout(() => append(grid ? grid.contents : []), 150);
})();
