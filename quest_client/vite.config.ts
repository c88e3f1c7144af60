import { defineConfig } from "vite";

/** Two pages, of operator and desk; the names of bundled files carry a hash of their content. */
export default defineConfig({
  build: {
    outDir: "../server/pages/client",
    emptyOutDir: true,
    target: "es2022",
    chunkSizeWarningLimit: 1200,
    rollupOptions: { input: ["index.html", "desk.html"] },
  },
  worker: { format: "es" },
});
