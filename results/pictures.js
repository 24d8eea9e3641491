// Unpacks plotly.js and the figures of a page, and draws them. "pictures" tells when that is done, or why it cannot be.
const unpacked = async (identifier) => {
  const text = document.getElementById(identifier).textContent;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
};
const PICTURE_OPTIONS = { displaylogo: false, responsive: true, displayModeBar: false };
const pictures = (async () => {
  const library = document.createElement("script");
  library.textContent = await unpacked("plotly");
  document.head.append(library);
  for (const place of document.querySelectorAll("[data-picture]")) {
    const figure = JSON.parse(await unpacked(`${place.id}-data`));
    await Plotly.newPlot(place, figure.data, figure.layout, PICTURE_OPTIONS);
  }
})();
pictures.catch((error) => {
  for (const place of document.querySelectorAll("[data-picture]")) {
    if (place.childElementCount === 0) place.textContent = `This browser cannot draw the picture (${error}).`;
  }
});
