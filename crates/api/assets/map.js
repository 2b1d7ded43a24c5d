// The map on the front page: piles drawn by state, and cells. Where nothing is asked it draws vector tiles, which hold all piles, however many;
// else what the server found: of a state or an operator alone the part that is looked at. The list beside it is the server's (list.js).
// Everything works without this file; it only adds.

import { follow } from "./list.js";
import { fetched, poll, TOO_OFTEN } from "./poll.js";

const box = document.getElementById("map");
const words = JSON.parse(box.dataset.words);
const language = box.dataset.lang;
const isFound = "found" in box.dataset; // something particular is asked: all that was found is drawn, wherever it stands
const PILES_ZOOM = 14; // from here on piles stand one by one
const STATIONS_ZOOM = 12; // from here on tiles have stations at which no pile is registered
const CELL_ZOOMS = 2; // how far a click on a cell goes: it is then four cells wide
const isKept = !document.querySelector("p.offline").hidden; // the page is of before (sw.js): nobody answers, and the map shows what its list tells
const isTiled = !isKept && !isFound && !box.dataset.state && !box.dataset.operator;
const TIERS = ["verified_monitored", "verified", "due", "under_review", "failed", "out_of_use"];
const SYMBOLS = { verified_monitored: "✓", verified: "✓", due: "○", under_review: "?", failed: "✕", out_of_use: "–" };
const SIZE = 48;

// What changes in a part that was there before is read aloud; the same again is not.
function note(text) {
  const element = document.getElementById("map-note");
  if (element.textContent !== text) element.textContent = text;
}

// One picture per state: shape, symbol and colour together.
function icon(state) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIZE;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const middle = SIZE / 2;
  const colours = {
    verified_monitored: ["#1a7f4b", "#fff"], verified: ["#1a7f4b", "#fff"], due: ["#eceff2", "#4c555f"],
    under_review: ["#ffcf66", "#4d3200"], failed: ["#b3261e", "#fff"], out_of_use: ["#fff", "#7a828c"],
  }[state];
  pen.lineWidth = 3;
  pen.strokeStyle = state === "due" || state === "out_of_use" ? "#6d7782" : state === "under_review" ? "#a86a00" : colours[0];
  pen.fillStyle = colours[0];
  pen.beginPath();
  if (state === "under_review") {
    pen.moveTo(middle, 4); pen.lineTo(SIZE - 4, middle); pen.lineTo(middle, SIZE - 4); pen.lineTo(4, middle); pen.closePath();
  } else if (state === "failed") {
    pen.rect(8, 8, SIZE - 16, SIZE - 16);
  } else {
    pen.arc(middle, middle, state === "verified_monitored" ? 13 : 16, 0, 2 * Math.PI);
  }
  if (state === "out_of_use") pen.setLineDash([5, 4]);
  pen.fill();
  pen.stroke();
  if (state === "verified_monitored") {
    pen.beginPath();
    pen.arc(middle, middle, 20, 0, 2 * Math.PI);
    pen.stroke();
  }
  pen.fillStyle = colours[1];
  pen.font = "bold 22px sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(SYMBOLS[state], middle, middle + 1);
  return pen.getImageData(0, 0, SIZE, SIZE);
}

const link = (room, id) => `/${room}/${encodeURIComponent(id)}?lang=${language}`;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Numbers of a cell of tiles, or of a cluster: of piles in each state, and in all; none of a single pile.
const number = (what) => ["number", ["get", what], 0];
const PILES = number(isTiled ? "piles" : "point_count");
const from = (layer) => (isTiled ? { source: "piles", "source-layer": layer } : { source: "piles" });
const symbol = (state) => ({
  "icon-image": state, "icon-size": 0.62, "icon-allow-overlap": true, "icon-ignore-placement": true,
  "symbol-sort-key": ["index-of", state, ["literal", TIERS]],
});

const collected = (features) => ({ type: "FeatureCollection", features });

// What lies beneath the piles: the drawing that comes with the program, tiles of others as the server is set up, or nothing.
function beneath() {
  const basemap = JSON.parse(box.dataset.basemap);
  if (basemap.kind === "none") return { sources: {}, layers: [] };
  if (basemap.kind === "tiles") {
    const whose = element("span", "", basemap.attribution).innerHTML; // the library takes it for HTML
    const ids = basemap.tiles.map((_, n) => `ground-${n}`);
    const source = (tiles) => ({
      type: "raster", tiles: [tiles.startsWith("/") ? location.origin + tiles : tiles], tileSize: 256, attribution: whose,
      minzoom: basemap.zoom_min ?? 0, maxzoom: basemap.zoom_max, ...(basemap.bounds ? { bounds: basemap.bounds } : {}),
    });
    return {
      sources: Object.fromEntries(basemap.tiles.map((tiles, n) => [ids[n], source(tiles)])),
      layers: ids.map((id) => ({ id, type: "raster", source: id })),
    };
  }
  return {
    sources: {
      land: { type: "geojson", data: "/assets/basemap/land.geojson", attribution: "Natural Earth · GeoNames CC BY 4.0" },
      lakes: { type: "geojson", data: "/assets/basemap/lakes.geojson" },
      cities: { type: "geojson", data: "/assets/basemap/cities.geojson" },
    },
    layers: [
      { id: "land", type: "fill", source: "land", paint: { "fill-color": "#f4f1ea", "fill-antialias": true } },
      { id: "lakes", type: "fill", source: "lakes", paint: { "fill-color": "#cfe0ee" } },
      { id: "shores", type: "line", source: "lakes", paint: { "line-color": "#a9c3d8", "line-width": 1 } },
    ],
  };
}

// Names of cities on the drawing that comes with the program, once the piles are there: the browser draws each of their letters itself, for which
// the piles would wait a tenth of a second and more. Whether there are any.
function nameCities(map) {
  if (!map.getSource("cities")) return false;
  map.addLayer({
    id: "cities", type: "symbol", source: "cities",
    filter: ["any", ["==", ["get", "rank"], 1], [">=", ["zoom"], 8]],
    layout: {
      "text-field": ["get", language === "zh" ? "zh" : "en"], "text-size": ["interpolate", ["linear"], ["zoom"], 4, 11, 10, 17],
      "text-font": ["sans-serif"], "symbol-sort-key": ["-", 0, ["get", "population"]], "text-offset": [0, -1.6],
    },
    paint: { "text-color": "#6b6355", "text-halo-color": "#f8f6f1", "text-halo-width": 1.5 },
  }, "clusters");
  return true;
}

function style() {
  const ground = beneath();
  return {
    version: 8,
    sources: {
      ...ground.sources,
      piles: isTiled
        ? { type: "vector", tiles: [`${location.origin}/api/v1/tiles/piles/{z}/{x}/{y}.mvt`], maxzoom: 18 }
        : {
          type: "geojson", data: collected(isKept ? listed() : []),
          cluster: true, clusterRadius: 40, clusterMaxZoom: PILES_ZOOM - 1,
          clusterProperties: Object.fromEntries(TIERS.map((state) => [state, ["+", ["case", ["==", ["get", "state"], state], 1, 0]]])),
        },
      ...(isTiled ? {} : { stations: { type: "geojson", data: collected([]) } }),
    },
    layers: [
      { id: "water", type: "background", paint: { "background-color": "#cfe0ee" } },
      ...ground.layers,
      // Stations at which no pile is registered: grey as what is due, beneath all piles, and in no number.
      { id: "stations", type: "symbol", ...(isTiled ? { ...from("stations"), minzoom: STATIONS_ZOOM } : { source: "stations" }), layout: symbol("due") },
      {
        id: "clusters", type: "circle", ...from("cells"), filter: [">", PILES, 1],
        paint: {
          // Green where most are verified; the rim tells of a failed pile or one under review among them.
          "circle-color": ["case", [">=", ["*", 2, ["+", number("verified"), number("verified_monitored")]], PILES], "#1a7f4b", "#6d7782"],
          "circle-stroke-color": ["case", [">", number("failed"), 0], "#b3261e", [">", number("under_review"), 0], "#f0a81c", "#fff"],
          "circle-stroke-width": ["case", [">", ["+", number("failed"), number("under_review")], 0], 4, 2],
          "circle-radius": ["step", PILES, 15, 20, 19, 100, 24],
        },
      },
      {
        id: "counts", type: "symbol", ...from("cells"), filter: [">", PILES, 1],
        layout: { "text-field": ["to-string", PILES], "text-size": 13, "text-font": ["sans-serif"], "text-allow-overlap": true, "text-ignore-placement": true },
        paint: { "text-color": "#fff" },
      },
      { id: "piles", type: "symbol", ...from("piles"), ...(isTiled ? { minzoom: PILES_ZOOM } : {}), filter: ["<", PILES, 1], layout: symbol(["get", "state"]) },
      // A cell of one pile tells its state by the name of its count.
      ...(isTiled ? [{ id: "single", type: "symbol", ...from("cells"), filter: ["==", PILES, 1], layout: symbol(["case", ...TIERS.flatMap((state) => [["has", state], state]), ""]) }] : []),
    ],
  };
}

// Where the server says what it found; whether there is more than it gives, the answer says.
function address(map) {
  const query = new URLSearchParams(box.dataset.address);
  if (!isFound) query.set("bbox", around(map));
  return `/found.geojson?${query}`;
}

function around(map) {
  const bounds = map.getBounds();
  const grow = 0.5; // half a screen around, so that small moves need no request
  const width = (bounds.getEast() - bounds.getWest()) * grow;
  const height = (bounds.getNorth() - bounds.getSouth()) * grow;
  const clamp = (value, limit) => Math.max(-limit, Math.min(limit, value)).toFixed(4);
  return [
    clamp(bounds.getWest() - width, 180), clamp(bounds.getSouth() - height, 90),
    clamp(bounds.getEast() + width, 180), clamp(bounds.getNorth() + height, 90),
  ].join(",");
}

// What the list beside tells, drawn: piles, or stations with the best state of each.
function listed() {
  return [...document.querySelectorAll("#list .badge[data-at]")].map((badge) => {
    const line = badge.closest("a");
    return {
      type: "Feature", geometry: { type: "Point", coordinates: badge.dataset.at.split(",").map(Number) },
      properties: { id: (line.querySelector(".id") ?? line.querySelector("b")).textContent, state: badge.classList[1], href: line.getAttribute("href") },
    };
  });
}

// What the map has of what was found: of a station at which no pile is registered nothing but which it is.
const isStation = ({ properties }) => properties.station !== undefined;
const drawn = ({ id, geometry, properties: { verification } }) => ({ type: "Feature", geometry, properties: { id, state: verification?.state } });

// Where the map looks at first: at the part that is asked for, as its list is; of a page of before at what its list tells; else where the
// server says.
function view() {
  const part = box.dataset.bbox.split(",").map(Number);
  const places = isKept ? listed().map((line) => line.geometry.coordinates) : [];
  if (part.length !== 4 && places.length > 0) {
    const bounds = places.reduce((all, place) => all.extend(place), new maplibregl.LngLatBounds());
    return { bounds, fitBoundsOptions: { padding: 40, maxZoom: PILES_ZOOM } };
  }
  if (part.length !== 4) return { center: [Number(box.dataset.lon), Number(box.dataset.lat)], zoom: Number(box.dataset.zoom) };
  const [west, south, east, north] = part.map((value, n) => (n % 2 ? Math.max(-85, Math.min(85, value)) : value));
  return { bounds: [[west, south], [east, north]] };
}

function start() {
  let map;
  try {
    maplibregl.setWorkerUrl("/assets/vendor/maplibre-gl-csp-worker.js");
    maplibregl.prewarm(); // its script comes while WebGL is being set up
    map = new maplibregl.Map({
      container: box, style: style(), ...view(), maxZoom: 18, minZoom: 3, dragRotate: false, pitchWithRotate: false,
      locale: words.controls, localIdeographFontFamily: "'Noto Sans CJK SC','PingFang SC','Microsoft YaHei',sans-serif",
      attributionControl: { compact: true }, fadeDuration: 0, // in a frame, not in twenty
    });
  } catch {
    globalThis.maplibregl?.clearPrewarmedResources(); // unless the library itself did not come
    return sketch();
  }
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl(), "top-left"); // at the bottom there is no room beside the sources on a phone
  const isLed = follow(map);
  let shown = "";
  let features = [];
  let isCut = false; // whether the server found more than it gave
  let turn = 0; // of the newest request
  let isLost = false; // whether a tile could not be read; that of an atlas still being made, say
  let isToldLost = false; // whether the note says so; it goes with the tile that came, not with the asking, and is read aloud once
  let isNamed = false; // whether the names of cities are there, or on their way
  map.on("idle", () => {
    if (!isNamed) {
      isNamed = true;
      if (nameCities(map)) return; // and idle again
    }
    box.setAttribute("data-map-idle", "");
    if (isLost || !isToldLost) return;
    isToldLost = false;
    note("");
  });
  map.on("error", ({ sourceId, error }) => {
    console.error(error);
    if (sourceId !== "piles") return;
    isLost = isToldLost = true;
    note(words.failed);
  });
  // Whether anything is new, or could not be read.
  async function refresh() {
    if (isLost) {
      isLost = false;
      map.refreshTiles("piles"); // otherwise tiles are asked for again when their max-age is over
    }
    if (isTiled) return true; // it costs nothing
    turn += 1;
    const mine = turn;
    try {
      const answer = await fetched(address(map));
      if (!answer.ok) {
        note(words.failed);
        return answer.status !== TOO_OFTEN;
      }
      const text = await answer.text();
      if (mine !== turn) return true; // it is of a part that was left, and the newer one may be there already
      const isNew = text !== shown;
      if (isNew) {
        shown = text;
        const found = JSON.parse(text);
        features = found.features;
        isCut = found.meta.is_cut;
        map.getSource("piles").setData(collected(features.filter((one) => !isStation(one)).map(drawn)));
        map.getSource("stations").setData(collected(features.filter(isStation).map(drawn)));
      }
      note(isCut ? words.cut : "");
      // Nobody is carried off who has begun to look around.
      if (isFound && !box.dataset.near && !box.dataset.bbox && features.length && !map.fitted && !isLed()) {
        const bounds = new maplibregl.LngLatBounds();
        for (const f of features) bounds.extend(f.geometry.coordinates);
        map.fitBounds(bounds, { padding: 40, maxZoom: 14, animate: false });
        map.fitted = true;
      }
      return isNew;
    } catch {
      note(words.failed);
      return true;
    }
  }
  map.on("style.load", () => {
    for (const state of TIERS) map.addImage(state, icon(state), { pixelRatio: 1 });
    refresh();
    const { soon } = poll(refresh);
    if (isFound) return;
    map.on("moveend", () => {
      refresh();
      soon();
    });
  });
  map.on("click", ["clusters", "single"], async ({ features: [{ geometry, properties }] }) => {
    const zoom = isTiled ? map.getZoom() + CELL_ZOOMS : await map.getSource("piles").getClusterExpansionZoom(properties.cluster_id).catch(() => map.getZoom() + CELL_ZOOMS); // it may be gone
    map.easeTo({ center: geometry.coordinates, zoom });
  });
  map.on("click", ["piles", "stations"], ({ features: [{ layer, geometry, properties: { id, state, href } }] }) => {
    const [room, told] = layer.id === "stations" ? ["s", words.unregistered] : ["p", words.states[state]];
    const content = element("div", "popup");
    const anchor = element("a", "", words.open);
    anchor.href = href ?? link(room, id);
    content.append(element("b", "", id), element("span", "", told), element("br"), anchor);
    new maplibregl.Popup({ offset: 12 }).setLngLat(geometry.coordinates).setDOMContent(content).addTo(map);
  });
  const layers = ["clusters", "single", "piles", "stations"];
  map.on("mouseenter", layers, () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", layers, () => (map.getCanvas().style.cursor = ""));
  box.map = map; // for tests
}

// Without WebGL: the sketch that the server draws, and the list.
function sketch() {
  const picture = element("img");
  picture.src = `/mini-map.svg?${box.dataset.address}&lang=${language}`;
  picture.alt = words.noWebgl;
  box.replaceChildren(picture);
  box.setAttribute("data-map-idle", "");
  note(words.noWebgl);
}

// "Near me": the place goes into the address, to some hundred metres, and nowhere else.
function locate(button) {
  const field = button.form.elements.near;
  button.hidden = false;
  // Who types a place looks for it there; who wants it near all the same ticks it again, as the form shows.
  button.form.elements.q.addEventListener("input", () => (field.checked = false));
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        field.value = `${coords.longitude.toFixed(3)},${coords.latitude.toFixed(3)}`;
        field.checked = true;
        button.form.elements.bbox?.remove(); // what is near is looked for there, not in the part that was looked at
        button.form.submit();
      },
      () => {
        button.disabled = false;
        note(words.noPlace);
      },
      { timeout: 10_000, maximumAge: 60_000 },
    );
  });
}

const near = document.getElementById("near-me");
if (near && navigator.geolocation) locate(near);
start();
