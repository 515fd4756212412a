/** The whole console: providers, layout and routes. */

export function App() {
  return <main>ledgernode</main>;
}
