"use strict";
(() => {
  // Everything from outside is in DATA, and reaches the page as text alone: textContent, and addresses by `linked`.
  const DATA = JSON.parse(document.getElementById("data").textContent);
  const BATCH = 40;
  const TONES = {
    stored: "good", reused: "good", over_budget: "wait", not_started: "wait", in_progress: "wait", submitted: "wait",
    unknown: "bad", failed: "bad", moderated: "bad", refused: "bad", invalid: "bad",
  };
  const WORST = ["unknown", "failed", "moderated", "refused", "invalid", "over_budget", "not_started", "in_progress", "submitted", "stored", "reused"];
  const COLOURS = 7;
  const $ = (id) => document.getElementById(id);

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const draw = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  // An address is followed if it is a web address or one beside this page, and is text otherwise.
  const safe = (address) => (/^(https?:\/\/|\.{1,2}\/)/.test(address || "") ? address : "");
  const linked = (text, address) => {
    if (!safe(address)) return make("span", "", text);
    const link = make("a", "", text);
    link.href = address;
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    return link;
  };
  const coins = (number) => number.toLocaleString("en", { maximumFractionDigits: 4 });
  const duration = (seconds) => {
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  };
  const words = (outcome) => {
    const text = outcome.replace(/_/g, " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  };
  const still = (row) => (row.thumb === undefined ? "" : `data:image/jpeg;base64,${DATA.thumbs[row.thumb]}`);
  let saying = 0;
  const say = (text) => {
    $("said").textContent = text;
    clearTimeout(saying);
    saying = setTimeout(() => { $("said").textContent = ""; }, 2000);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = make("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say("Copied");
  };
  const act = (text, does, label) => {
    const button = make("button", "", text);
    button.type = "button";
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", does);
    return button;
  };

  // The head of the page.
  document.title = `${DATA.title} – ${DATA.kind}`;
  $("kind").textContent = DATA.kind;
  $("title").textContent = DATA.title;
  $("lead").textContent = DATA.lead;
  for (const [label, text, unit] of DATA.totals) {
    const entry = make("div");
    const value = make("dd", "", text);
    if (unit) value.append(" ", make("small", "", unit));
    entry.append(make("dt", "", label), value);
    $("totals").append(entry);
  }
  for (const [text, kind] of DATA.notices) $("notices").append(make("li", kind, text));
  $("notices").hidden = !DATA.notices.length;
  for (const [label, text, address] of DATA.facts) {
    const value = make("dd");
    value.append(linked(text, address));
    $("facts").append(make("dt", "", label), value);
  }

  // One video.
  const play = (item, row, button) => {
    const player = make("div", "player");
    const video = make("video");
    video.controls = true;
    video.preload = "none";
    video.playsInline = true;
    video.poster = still(row);
    video.setAttribute("aria-label", `Video of ${row.label}`);
    video.addEventListener("error", () => {
      if (!player.querySelector("p")) player.append(make("p", "", DATA.unplayable));
    });
    const close = () => {
      video.pause();
      player.replaceWith(button);
      item.classList.remove("open");
      button.focus();
    };
    player.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    video.src = row.href;
    player.append(video, act("Close", close, `Close the video of ${row.label}`));
    player.lastChild.className = "unplay";
    item.classList.add("open");
    button.replaceWith(player);
    video.focus();
    video.play().catch(() => {});
  };
  const stillOf = (item, row) => {
    const playable = safe(row.href);
    const frame = make(playable ? "button" : "div", "still");
    const picture = still(row);
    if (picture) {
      const image = make("img");
      image.alt = "";
      image.loading = "lazy";
      image.decoding = "async";
      image.src = picture;
      frame.append(image);
    } else if (!playable) {
      frame.append(make("span", "", row.uri ? "No picture" : "No video"));
    }
    if (row.tall) frame.classList.add("tall");
    if (playable) {
      frame.type = "button";
      frame.setAttribute("aria-label", `Play ${row.label}`);
      const sign = make("span", "play");
      sign.setAttribute("aria-hidden", "true");
      frame.append(sign);
      frame.addEventListener("click", () => play(item, row, frame));
    }
    return frame;
  };
  const itemOf = (row) => {
    const tone = TONES[row.outcome] || "bad";
    const item = make("li", "video");
    item.id = `row-${row.place}`;
    const body = make("div", "body");
    const head = make("div", "head");
    const name = make("h2", "name", row.label);
    name.dir = "auto";
    head.append(name);
    if (row.number && row.name) head.append(make("span", "row", `Row ${row.number}`));
    head.append(make("span", `badge ${tone}`, words(row.outcome)));
    body.append(head);
    if (row.prompt) {
      const prompt = make("p", "prompt", row.prompt);
      prompt.dir = "auto";
      body.append(prompt);
      if (row.prompt.length > 280 || row.prompt.split("\n").length > 3) {
        prompt.classList.add("cut");
        const unfold = act("Show all", () => {
          const cut = prompt.classList.toggle("cut");
          unfold.textContent = cut ? "Show all" : "Show less";
          unfold.setAttribute("aria-expanded", String(!cut));
        });
        unfold.className = "unfold";
        unfold.setAttribute("aria-expanded", "false");
        body.append(unfold);
      }
    }
    if (row.reason || row.advice) {
      const why = make("p", `why ${tone}`, row.reason || "");
      why.dir = "auto";
      if (row.advice) why.append(make("span", "", row.advice));
      body.append(why);
    }
    const meta = make("p", "meta");
    for (const text of row.meta) meta.append(make("span", "", text));
    if (row.meta.length) body.append(meta);
    const acts = make("div", "acts");
    if (safe(row.href)) acts.append(linked("Open video", row.href));
    if (row.uri) acts.append(act("Copy address", () => copy(row.uri), `Copy the address of ${row.label}`));
    if (row.task) acts.append(act("Copy task id", () => copy(row.task), `Copy the task id of ${row.label}`));
    if (acts.childNodes.length) body.append(acts);
    const side = make("div", "side");
    if (row.cost !== undefined) {
      side.append(make("strong", "", `${coins(row.cost)} ${row.cost === 1 ? "coin" : "coins"}`));
    } else if (row.unpriced) {
      side.append(make("strong", "", row.unpriced));
    }
    for (const text of row.side) side.append(make("div", "", text));
    if (row.made) side.append(make("div", "", `made in ${duration(row.made)}`));
    item.append(stillOf(item, row), body, side);
    return item;
  };

  // Filter and sort.
  const ORDERS = {
    worst: ["Worst first", (a, b) => WORST.indexOf(a.outcome) - WORST.indexOf(b.outcome) || a.place - b.place],
    rows: [DATA.inOrder, (a, b) => a.place - b.place],
    newest: ["Newest first", (a, b) => (b.at || 0) - (a.at || 0) || a.place - b.place],
    cost: ["Cost", (a, b) => (b.cost ?? -1) - (a.cost ?? -1) || a.place - b.place],
    made: ["Time to make", (a, b) => (b.made || -1) - (a.made || -1) || a.place - b.place],
    name: ["Name", (a, b) => a.label.localeCompare(b.label, "en", { numeric: true }) || a.place - b.place],
  };
  const rows = DATA.rows;
  rows.forEach((row, place) => { row.place = place; row.label = row.name || `Row ${row.number}`; });
  const outcomes = new Set();
  let shown = [];
  let made = 0;
  const counted = (of) => {
    const counts = new Map();
    for (const row of rows) counts.set(of(row), (counts.get(of(row)) || 0) + 1);
    return counts;
  };
  const found = counted((row) => row.outcome);
  for (const outcome of WORST.concat([...found.keys()].filter((each) => !WORST.includes(each)))) {
    if (!found.has(outcome)) continue;
    const chip = act("", () => {
      if (!outcomes.delete(outcome)) outcomes.add(outcome);
      chip.setAttribute("aria-pressed", String(outcomes.has(outcome)));
      apply();
    });
    chip.append(words(outcome), make("b", "", found.get(outcome).toLocaleString("en")));
    chip.setAttribute("aria-pressed", "false");
    chip.dataset.outcome = outcome;
    $("outcomes").append(chip);
  }
  const option = (select, value, text) => {
    const element = make("option", "", text);
    element.value = value;
    select.append(element);
  };
  option($("model"), "", "All models");
  [...counted((row) => row.model || "")].filter(([model]) => model).sort((a, b) => b[1] - a[1])
    .forEach(([model, count]) => option($("model"), model, `${model} (${count.toLocaleString("en")})`));
  for (const [value, [text]] of Object.entries(ORDERS)) option($("order"), value, text);
  $("order").value = DATA.order;

  const textOf = (row) => (row.haystack ??= [row.label, row.prompt, row.model, row.reason, row.advice, row.task, row.uri, row.number]
    .concat(row.meta).filter(Boolean).join("\n").toLowerCase());
  const more = () => {
    const piece = document.createDocumentFragment();
    for (const row of shown.slice(made, made + BATCH)) piece.append(itemOf(row));
    $("videos").append(piece);
    made = Math.min(shown.length, made + BATCH);
    $("more").hidden = made >= shown.length;
  };
  function apply() {
    const wanted = $("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const model = $("model").value;
    const next = rows.filter((row) => (!outcomes.size || outcomes.has(row.outcome)) && (!model || row.model === model)
      && (!wanted.length || wanted.every((word) => textOf(row).includes(word))));
    next.sort(ORDERS[$("order").value][1]);
    // Nothing is drawn anew that stays as it is: what has the focus keeps it, and what plays goes on.
    if (made && next.length === shown.length && next.every((row, place) => row === shown[place])) return;
    shown = next;
    made = 0;
    $("videos").replaceChildren();
    const all = rows.length.toLocaleString("en");
    $("shown").textContent = shown.length === rows.length ? `${all} ${DATA.noun}` : `${shown.length.toLocaleString("en")} of ${all} ${DATA.noun}`;
    $("none").hidden = shown.length > 0 || !rows.length;
    more();
  }
  let waiting = 0;
  $("text").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 80); });
  $("model").addEventListener("change", apply);
  $("order").addEventListener("change", apply);
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("more").addEventListener("click", more);
  $("reset").addEventListener("click", () => {
    outcomes.clear();
    for (const chip of $("outcomes").children) chip.setAttribute("aria-pressed", "false");
    $("text").value = "";
    $("model").value = "";
    apply();
    $("text").focus();
  });
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && made < shown.length) more();
  }, { rootMargin: "1200px" }).observe($("more"));
  addEventListener("beforeprint", () => {
    while (made < shown.length) more();
    for (const image of document.images) image.loading = "eager";
  });
  apply();

  // Spend by period and model: [period, model, coins, videos].
  const spend = DATA.spend;
  if (spend.length) {
    $("spend").hidden = false;
    const sums = new Map();
    for (const [, model, paid] of spend) sums.set(model, (sums.get(model) || 0) + paid);
    const models = [...sums].sort((a, b) => b[1] - a[1]).map(([model]) => model);
    const colour = (model) => `c${Math.min(models.indexOf(model), COLOURS - 1)}`;
    const periods = [...new Set(spend.map(([period]) => period))].sort();
    models.slice(0, COLOURS - 1).forEach((model) => {
      const entry = make("li");
      entry.append(make("i", colour(model)), model, make("b", "", coins(sums.get(model))));
      $("legend").append(entry);
    });
    const rest = models.slice(COLOURS - 1);
    if (rest.length) {
      const entry = make("li");
      const sum = rest.reduce((total, model) => total + sums.get(model), 0);
      entry.append(make("i", `c${COLOURS - 1}`), `${rest.length} other models`, make("b", "", coins(sum)));
      $("legend").append(entry);
    }
    const plot = () => {
      const width = Math.max(280, $("plot").clientWidth), height = 190, left = 44, bottom = 22, top = 8;
      const totals = new Map(periods.map((period) => [period, 0]));
      for (const [period, , paid] of spend) totals.set(period, totals.get(period) + paid);
      const most = Math.max(...totals.values()) || 1;
      const power = 10 ** Math.floor(Math.log10(most / 3));
      const step = [1, 2, 5, 10].map((each) => each * power).find((each) => most / each <= 4) || power * 10;
      const ceiling = Math.ceil(most / step) * step;
      const y = (value) => top + (height - top - bottom) * (1 - value / ceiling);
      const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Coins spent by ${DATA.period}, as the table below says` });
      for (let value = 0; value <= ceiling + step / 2; value += step) {
        svg.append(draw("line", { x1: left, x2: width, y1: y(value), y2: y(value) }));
        svg.append(draw("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, coins(value)));
      }
      const room = (width - left) / periods.length;
      const bar = Math.min(46, Math.max(2, room * 0.68));
      const every = Math.ceil(periods.length / Math.max(1, Math.floor((width - left) / 74)));
      periods.forEach((period, at) => {
        const middle = left + room * (at + 0.5);
        let below = 0;
        const here = spend.filter((each) => each[0] === period).sort((a, b) => models.indexOf(a[1]) - models.indexOf(b[1]));
        for (const [, model, paid] of here) {
          if (!paid) continue;
          const block = draw("rect", { class: colour(model), x: middle - bar / 2, width: bar, y: y(below + paid), height: Math.max(0.5, y(below) - y(below + paid)), rx: 1.5 });
          block.append(draw("title", {}, `${period}, ${model}: ${coins(paid)} coins`));
          svg.append(block);
          below += paid;
        }
        if (at % every === 0) svg.append(draw("text", { x: middle, y: height - 5, "text-anchor": "middle" }, period));
      });
      $("plot").replaceChildren(svg);
    };
    plot();
    addEventListener("resize", plot);
    const line = (tag, cells) => {
      const row = make("tr");
      cells.forEach((text, at) => row.append(make(tag, at > 1 ? "number" : "", text)));
      return row;
    };
    $("spend-table").append(line("th", [words(DATA.period), "Model", "Videos", "Coins"]));
    for (const [period, model, paid, videos] of spend) $("spend-table").append(line("td", [period, model, videos.toLocaleString("en"), coins(paid)]));
  }
})();
