// The camera on its way: where it is, where it goes, and one step a frame. Under reduced motion it is there at once.

import { type Camera, HOME } from "./camera";

const MOTION_MS = 150;

export class Flight {
  camera: Camera = HOME;
  #motion: { from: Camera; to: Camera; start: number } | null = null;

  get moving(): boolean {
    return this.#motion !== null;
  }

  /** Where the camera is going, or is. */
  get target(): Camera {
    return this.#motion?.to ?? this.camera;
  }

  /** Is there now. */
  place(camera: Camera): void {
    this.#motion = null;
    this.camera = camera;
  }

  /** Gets there within 150 ms; at once where nobody sees it or motion is not wanted. */
  goTo(camera: Camera, seen: boolean): void {
    if (!seen || matchMedia("(prefers-reduced-motion: reduce)").matches) return this.place(camera);
    this.#motion = { from: this.camera, to: camera, start: performance.now() };
  }

  /** The ground moved under it. */
  shift(dy: number): void {
    this.camera = { ...this.camera, y: this.camera.y + dy };
    if (this.#motion !== null) this.#motion.to = { ...this.#motion.to, y: this.#motion.to.y + dy };
  }

  step(): void {
    if (this.#motion === null) return;
    const { from, to, start } = this.#motion;
    const t = Math.min(1, (performance.now() - start) / MOTION_MS);
    if (t >= 1) return this.place(to);
    const eased = 1 - (1 - t) ** 3;
    const mix = (a: number, b: number) => a + (b - a) * eased;
    this.camera = {
      zoom: from.zoom * (to.zoom / from.zoom) ** eased,
      x: mix(from.x, to.x),
      y: mix(from.y, to.y),
    };
  }
}
