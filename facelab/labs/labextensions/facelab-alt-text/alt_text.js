// JupyterLab draws the picture of an output without its alternative text, which is stored in the output's metadata: it is set here.
// This file is loaded as it is: JupyterLab hands its own modules to `init`, and asks `get` for the plugin.
"use strict";
{
  let modules;

  // The renderer of pictures as JupyterLab has it, but what it draws is given its words.
  const withAltText = (factory) => ({
    ...factory,
    createRenderer(options) {
      const renderer = factory.createRenderer(options);
      const draw = renderer.renderModel.bind(renderer);
      renderer.renderModel = async (model) => {
        await draw(model);
        const alt = model.metadata[options.mimeType]?.alt;
        if (typeof alt === "string") {
          renderer.node.querySelector("img")?.setAttribute("alt", alt);
        }
      };
      return renderer;
    },
  });

  const shared = async (name) => {
    const [version] = Object.values(modules[name]);
    return (await version.get())();
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["facelab-alt-text"] = {
    init: (scope) => {
      modules = scope;
    },
    get: async () => {
      const { IRenderMimeRegistry } = await shared("@jupyterlab/rendermime");
      const plugin = {
        id: "facelab-alt-text:plugin",
        description: "Gives pictures their stored alternative text.",
        autoStart: true,
        requires: [IRenderMimeRegistry],
        activate: (app, registry) => registry.addFactory(withAltText(registry.getFactory("image/png"))),
      };
      return () => ({ __esModule: true, default: plugin });
    },
  };
}
