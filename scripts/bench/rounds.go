package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// errStopped says that the time that was given is over; what is measured is kept.
var errStopped = errors.New("stopped after the time given: run the same command to go on")

// apartRound is the round whose picks warm up and are compared: none that is measured, so that no cache has seen what is.
const apartRound = 1000

// fallbackSamples is how many samples a round has where no peer has told how many take the time asked for.
const fallbackSamples = 32

// runGroup runs the rounds of a group that are still missing.
func (b *bench) runGroup(ctx context.Context, group string) error {
	if len(b.state.Rounds[group]) >= b.options.rounds {
		return nil
	}
	if group == startGroup {
		return b.runStarts(ctx)
	}
	list := ofGroup(group, b.state.Device)
	if err := b.sweepAll(ctx, list); err != nil {
		return err
	}
	workers := map[string]*worker{}
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	for _, c := range list {
		if err := b.checkTime(ctx); err != nil {
			return err
		}
		if _, known := b.state.Sweeps[c.name]; c.sweeps && !known {
			continue // it is absent: no size worked
		}
		w, _, err := b.open(c, nil)
		if err == nil {
			err = b.warm(w, c)
			if err != nil {
				w.close()
			}
		}
		if err != nil {
			if err := b.absent(ctx, c, err); err != nil {
				return err
			}
			continue
		}
		delete(b.state.Absent, c.name)
		workers[c.name] = w
	}
	if err := b.compare(ctx, workers, list); err != nil {
		return err
	}
	for len(b.state.Rounds[group]) < b.options.rounds {
		if err := b.checkTime(ctx); err != nil {
			return err
		}
		n := len(b.state.Rounds[group])
		r := round{}
		for k := range list {
			c := list[(k+n)%len(list)] // everyone is first in some round
			w, ok := workers[c.name]
			if !ok {
				continue
			}
			m, err := b.measure(w, c, n)
			if err != nil {
				if err := b.lose(ctx, workers, c, fmt.Errorf("round %d: %w", n+1, err)); err != nil {
					return err
				}
				continue
			}
			r[c.name] = m
			b.say("%s round %d: %s: %.2f s, %.2f targets/s", group, n+1, c.name, m.Seconds, m.rate())
		}
		b.state.Rounds[group] = append(b.state.Rounds[group], r)
		if err := b.state.save(); err != nil {
			return err
		}
	}
	return nil
}

// absent notes that a peer cannot be measured. Without lsat itself there is nothing to compare.
func (b *bench) absent(ctx context.Context, c contestant, why error) error {
	if ctx.Err() != nil { // the whole benchmark is being stopped, workers and all
		return context.Cause(ctx)
	}
	if !c.torch && !c.llama {
		return why
	}
	b.say("%s cannot be measured: %v", c.name, why)
	b.state.Absent[c.name] = why.Error()
	return b.state.save()
}

// lose ends a worker that failed; the others go on without it, and what it did in the rounds before counts.
func (b *bench) lose(ctx context.Context, workers map[string]*worker, c contestant, why error) error {
	workers[c.name].close()
	delete(workers, c.name)
	return b.absent(ctx, c, why)
}

func (b *bench) checkTime(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if b.options.stopAfter > 0 && time.Since(b.began) > b.options.stopAfter {
		return errStopped
	}
	return nil
}

// picks are the prompts of a contestant in a round.
func (b *bench) picks(c contestant, n int) []int {
	f := b.files[c.prompts]
	switch {
	case f == nil:
		return nil
	case c.prompts == rerankLists:
		return []int{n % len(f.Lists), (n + len(f.Lists)/2) % len(f.Lists)}
	case c.prompts == streamTrain:
		return pickTokens(f.Sequences, n, b.samples(c.group)*streamTokens/2)
	}
	if c.shares {
		return pickNeighbours(f.Sequences, n, sharing*b.samples(c.group))
	}
	return pickSamples(f.Sequences, n, b.samples(c.group))
}

// sharing is how many times as many samples those take in a round that compute once what prompts begin with: neighbours have little in common where they are few.
const sharing = 3

// comparable are the prompts on which contestants with the same file are compared.
func (b *bench) comparable(c contestant) []int {
	c.shares = false
	picked := b.picks(c, apartRound)
	if c.group == rerankGroup {
		return picked[:1]
	}
	return picked[:min(len(picked), chunk)]
}

func (b *bench) samples(group string) int {
	if n := b.state.Samples[group]; n > 0 {
		return n
	}
	return fallbackSamples
}

func (b *bench) measure(w *worker, c contestant, n int) (measurement, error) {
	picked := b.picks(c, n)
	a, err := w.ask(request{Op: "run", Indices: picked, Batch: b.state.Sweeps[c.name].Best, Passes: c.adapters})
	if err != nil {
		return measurement{}, err
	}
	m := measurement{Seconds: a.Seconds, GFLOPS: a.GFLOPS, Latencies: a.Latencies, Memory: w.peakMemory()}
	if f := b.files[c.prompts]; f != nil && c.group != rerankGroup {
		m.size = sizeOf(b.config, f.Sequences, picked, c.shares || !c.torch)
	}
	return m, nil
}

// warm lets a worker meet what the rounds will have: programs are compiled then, and caches filled. What is compiled depends on the lengths of the
// prompts, so a contestant that compiles meets every round's beforehand; it keeps nothing of them but the programs.
func (b *bench) warm(w *worker, c contestant) error {
	if b.files[c.prompts] == nil {
		_, err := b.measure(w, c, apartRound)
		return err
	}
	picked := b.picks(c, apartRound)
	if c.group == rerankGroup {
		picked = picked[:1]
	}
	lists := [][]int{picked[:min(8, len(picked))]}
	if c.compiles || b.state.Sweeps[c.name].compile() {
		for n := range b.options.rounds {
			lists = append(lists, b.picks(c, n))
		}
	}
	start := time.Now()
	for _, list := range lists {
		if _, err := w.ask(request{Op: "run", Indices: list, Batch: b.state.Sweeps[c.name].Best, Passes: c.adapters}); err != nil {
			return err
		}
	}
	b.say("%s: warm after %.1f s", c.name, time.Since(start).Seconds())
	return nil
}

// compare lets contestants that do the same work show it: log-odds of the same prompts, or the first loss of a fresh adapter.
func (b *bench) compare(ctx context.Context, workers map[string]*worker, list []contestant) error {
	first := map[string]answer{} // lsat's, by file of prompts
	for _, c := range list {
		w, ok := workers[c.name]
		f := b.files[c.prompts]
		if !ok || f == nil || c.name == published || c.group == trainGroup || c.top > 0 { // top: other adapters, other answers
			continue
		}
		a, err := w.ask(request{Op: "run", Indices: b.comparable(c), Batch: b.state.Sweeps[c.name].Best, Passes: 1})
		own, compared := first[c.prompts]
		if err == nil && compared {
			b.state.Apart[c.name], err = furthest(own.LogOdds, a.LogOdds)
		}
		if err != nil {
			if err := b.lose(ctx, workers, c, err); err != nil {
				return err
			}
		} else if !compared {
			first[c.prompts] = a
		}
	}
	return b.state.save()
}

// furthest is the largest distance between log-odds of the same prompts.
func furthest(a, c []float64) (float64, error) {
	if len(a) != len(c) {
		return 0, fmt.Errorf("%d log-odds where lsat has %d", len(c), len(a))
	}
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(a[i]-c[i]))
	}
	return worst, nil
}

// runStarts measures processes from their start to the end of their first training step.
func (b *bench) runStarts(ctx context.Context) error {
	list := ofGroup(startGroup, b.state.Device)
	picked := pickSamples(b.files[tallrecTrain].Sequences, 0, chunk)
	for len(b.state.Rounds[startGroup]) < b.options.rounds {
		n := len(b.state.Rounds[startGroup])
		r := round{}
		losses := map[string]float64{}
		for k := range list {
			if err := b.checkTime(ctx); err != nil {
				return err
			}
			c := list[(k+n)%len(list)]
			start := time.Now()
			w, _, err := b.open(c, nil)
			if err == nil {
				var a answer
				a, err = w.ask(request{Op: "run", Indices: picked, Batch: max(1, b.state.Sweeps[peftTrain].Best)})
				m := measurement{Seconds: time.Since(start).Seconds(), Memory: w.peakMemory(), size: sizeOf(b.config, b.files[tallrecTrain].Sequences, picked, c.shares || !c.torch)}
				w.close()
				if err == nil {
					r[c.name], losses[c.name] = m, a.Loss
					delete(b.state.Absent, c.name)
					b.say("start round %d: %s: %.2f s", n+1, c.name, m.Seconds)
				}
			}
			if err != nil {
				if err := b.absent(ctx, c, err); err != nil {
					return err
				}
			}
		}
		if len(losses) == 2 {
			b.state.Apart[peftTrain] = math.Abs(losses[lsatStart] - losses[peftStart])
		}
		b.state.Rounds[startGroup] = append(b.state.Rounds[startGroup], r)
		if err := b.state.save(); err != nil {
			return err
		}
	}
	return nil
}
