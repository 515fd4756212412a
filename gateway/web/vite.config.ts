/**
 * The build: hashed files under dist/assets, nothing inline (neither script nor small image), so that the pages live
 * under `default-src 'self'`. While developing, /api goes to a gateway on this machine.
 */

import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const GATEWAY = process.env.LEDGERNODE_GATEWAY ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { "/api": { target: GATEWAY, changeOrigin: false } } },
  preview: { proxy: { "/api": { target: GATEWAY, changeOrigin: false } } },
});
