package main

import (
	"context"
	"fmt"
	"math"

	"lsat/device"
)

// sweepSizes are the batch sizes that the sweep tries on a device, until it gets slower, and how many samples it times each on.
func sweepSizes(on string) (sizes []int, samples int) {
	if on == device.XLACUDA {
		return []int{16, 32, 64, 128, 256, 512}, 512
	}
	return []int{1, 2, 4, 8, 16}, chunk
}

// slower is by how much a batch size must be slower than the best one to be left out of what follows: of larger ones, where the sweep goes up, and of the
// passes after it.
const slower = 1.25

// passes is how often a sweep times a size that may be the best, in turns with the others: a machine's hiccups must not choose.
const passes = 3

// sweepAll finds the best batch sizes that are not known yet, whether torch.compile helps, and from the slowest peer how many samples a round has.
func (b *bench) sweepAll(ctx context.Context, list []contestant) error {
	for _, c := range list {
		if !c.sweeps {
			continue
		}
		if _, known := b.state.Sweeps[c.name]; !known {
			s, err := b.sweep(c)
			if err != nil {
				if err := b.absent(ctx, c, err); err != nil {
					return err
				}
				continue
			}
			b.state.Sweeps[c.name] = s
			b.say("%s: best batch size %d of %v", c.name, s.Best, s.Tried)
			if err := b.state.save(); err != nil {
				return err
			}
		}
		if s := b.state.Sweeps[c.name]; b.options.compile && c.torch && s.Compiled == 0 && s.Uncompiled == "" {
			var err error
			if s.Compiled, err = b.compiled(c, s.Best); err != nil {
				s.Uncompiled = err.Error()
			}
			b.state.Sweeps[c.name] = s
			b.say("%s: %.3g samples/s with torch.compile %s", c.name, s.Compiled, s.Uncompiled)
		}
		if b.state.Samples[c.group] == 0 { // the first one that sweeps is the peer at its best
			s := b.state.Sweeps[c.name]
			n := int(math.Round(b.options.seconds * max(s.Compiled, s.Tried[s.Best]) / chunk))
			b.state.Samples[c.group] = chunk * max(1, n)
		}
		if err := b.state.save(); err != nil {
			return err
		}
	}
	return nil
}

// sweep times the same samples in growing batches, in a process that is not measured afterwards: its memory would tell of the sweep. A size that fails, for
// want of memory mostly, ends the search; another process then times those before it.
func (b *bench) sweep(c contestant) (sweep, error) {
	w, _, err := b.load(c, nil, false)
	if err != nil {
		return sweep{}, err
	}
	defer func() { w.close() }()
	sizes, samples := sweepSizes(b.state.Device)
	picked := pickSamples(b.files[c.prompts].Sequences, apartRound, samples)
	s := sweep{Tried: map[int]float64{}}
	if _, err := w.ask(request{Op: "run", Indices: picked[:2], Batch: 2}); err != nil {
		return sweep{}, err
	}
	timed := func(size int) (rate float64, err error) {
		a, err := w.ask(request{Op: "run", Indices: picked, Batch: size})
		return float64(len(picked)) / a.Seconds, err
	}
	rates := map[int][]float64{}
	for pass := range passes {
		for _, size := range sizes {
			if pass > 0 && (rates[size] == nil || s.Tried[size]*slower < s.Tried[s.Best]) {
				continue
			}
			rate, err := timed(size)
			if err == nil && pass == 0 && rate*slower < s.Tried[s.Best] { // it would end the search: not by one hiccup
				var again float64
				again, err = timed(size)
				rate = max(rate, again)
			}
			if err != nil {
				if pass > 0 || s.Best == 0 {
					return sweep{}, err
				}
				s.TooLarge = fmt.Sprintf("%d: %v", size, err)
				next, _, err := b.load(c, nil, false)
				if err != nil {
					return sweep{}, err
				}
				w.close()
				w = next
				break
			}
			rates[size] = append(rates[size], rate)
			s.Tried[size] = math.Round(quantile(rates[size], .5)*1000) / 1000
			if pass == 0 && rate*slower < s.Tried[s.Best] {
				break
			}
			s.Best = fastest(s.Tried)
		}
	}
	return s, nil
}

// fastest is the size with the highest rate, the smallest of several.
func fastest(rates map[int]float64) int {
	best := 0
	for size, rate := range rates {
		if best == 0 || rate > rates[best] || rate == rates[best] && size < best {
			best = size
		}
	}
	return best
}

// compiled times the samples that sweep times, with the model compiled by torch. What is compiled on first use is compiled before.
func (b *bench) compiled(c contestant, batch int) (rate float64, err error) {
	w, _, err := b.load(c, nil, true)
	if err != nil {
		return 0, err
	}
	defer w.close()
	_, samples := sweepSizes(b.state.Device)
	picked := pickSamples(b.files[c.prompts].Sequences, apartRound, samples)
	var a answer
	for range 3 { // one length, then any length, then no more to compile
		if a, err = w.ask(request{Op: "run", Indices: picked, Batch: batch}); err != nil {
			return 0, err
		}
	}
	return math.Round(float64(len(picked))/a.Seconds*1000) / 1000, nil
}
