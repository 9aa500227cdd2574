package prompt

import (
	"cmp"
	"fmt"
	"slices"

	"lsat/period"
)

// runs are the sequences of the streaming template as planned: which samples each has and where its history begins. Tokens are only counted.
type runs struct {
	*streaming
	stream     *period.Stream
	popularity *popularity // nil where it is not told
	// samples are those asked for, user by user, each user's in order.
	samples []int32
	list    []run
	// window is the sequences' Window, history how many items stand before the first target.
	window, history int
}

// run is a planned sequence: the samples [at, at+n) of runs, behind the events of their user's timeline from the given place on.
type run struct {
	at, n, from, tokens int32
}

// source plans the samples' sequences.
func (t *streaming) source(stream *period.Stream, samples []int) (Source, error) {
	if err := checkSamples(stream, samples); err != nil {
		return nil, err
	}
	r := &runs{streaming: t, stream: stream, samples: make([]int32, len(samples)), window: stream.Options.History}
	if t.cfg.Window != nil {
		r.window = *t.cfg.Window
	}
	r.history = stream.Options.History
	if r.window > 0 {
		r.history = min(r.history, r.window) // older items would be out of every target's sight
	}
	if t.cfg.Popularity {
		r.popularity = t.counts.get(stream)
	}
	ends := r.group(samples)
	at := 0
	for _, end := range ends {
		line := stream.Timeline(stream.User(int(r.samples[at])))
		for at < end {
			run, err := r.plan(line, r.samples[at:end])
			if err != nil {
				return nil, err
			}
			run.at = int32(at)
			r.list = append(r.list, run)
			at += int(run.n)
		}
	}
	slices.SortFunc(r.list, func(a, b run) int { return cmp.Compare(r.samples[a.at], r.samples[b.at]) })
	return r, nil
}

// group puts the samples user by user, the users in the order of their first sample, and returns where each user's end.
func (r *runs) group(samples []int) (ends []int) {
	place := map[int32]int{} // of a user among the users
	for _, i := range samples {
		u := r.stream.User(i)
		k, ok := place[u]
		if !ok {
			k = len(ends)
			place[u] = k
			ends = append(ends, 0)
		}
		ends[k]++
	}
	at := 0
	for k, n := range ends {
		ends[k] = at
		at += n
	}
	for _, i := range samples {
		k := place[r.stream.User(i)]
		r.samples[ends[k]] = int32(i)
		ends[k]++
	}
	return ends
}

// plan counts the first of the samples with its history, then as many more as fit.
func (r *runs) plan(line []int32, samples []int32) (run, error) {
	place, seen := r.places(line, samples[0])
	size := len(r.header) + len(r.question(line[place]))
	if size > r.cfg.MaxTokens {
		return run{}, fmt.Errorf("prompt: %s: %w: %d tokens without any history, max_tokens is %d",
			describe(r.stream, int(samples[0])), ErrTooLong, size, r.cfg.MaxTokens)
	}
	from := seen
	for from > max(0, seen-r.history) {
		more := r.size(line[from-1])
		if size+more > r.cfg.MaxTokens {
			break
		}
		size += more
		from--
	}
	n := 1
	for ; n < len(samples) && n < r.cfg.TargetsPerSequence; n++ {
		if seen != place {
			break // events between them were left out, and cannot be made up for behind the target
		}
		last := place
		place, seen = r.places(line, samples[n])
		if seen <= last || seen-last-1 > r.history {
			break
		}
		more := len(r.label(line[last])) + len(r.question(line[place]))
		for _, e := range line[last+1 : seen] {
			more += r.size(e)
		}
		if size+more > r.cfg.MaxTokens {
			break
		}
		size += more
	}
	return run{n: int32(n), from: int32(from), tokens: int32(size)}, nil
}

// Len implements Source.
func (r *runs) Len() int { return len(r.list) }

// Targets implements Source.
func (r *runs) Targets(i int) int { return int(r.list[i].n) }

// Tokens implements Source.
func (r *runs) Tokens(i int) (int, error) { return int(r.list[i].tokens), nil }

// At implements Source.
func (r *runs) At(i int) (Sequence, error) {
	run := r.list[i]
	samples := r.samples[run.at : run.at+run.n]
	line := r.stream.Timeline(r.stream.User(int(samples[0])))
	w := writer{runs: r, seq: Sequence{
		Tokens: make([]int32, 0, run.tokens), Window: int32(r.window), Header: len(r.header), Targets: make([]Target, 0, run.n),
	}}
	if r.window > 0 {
		w.seq.Steps = make([]int32, 0, run.tokens)
	}
	w.put(r.header, -1)
	from := int(run.from)
	for _, sample := range samples {
		place, seen := r.places(line, sample)
		w.items(line[from:seen])
		w.ask(line[place], sample)
		from = place // its answer comes first, if another target does
	}
	return w.seq, nil
}

// places returns where a sample's event stands in its user's timeline, and how many events of the timeline it may look back on: as
// many, but for those of the same second under period.Options.StrictTime.
func (r *runs) places(line []int32, sample int32) (place, seen int) {
	place = int(r.stream.Samples[sample].Place)
	if !r.stream.Options.StrictTime {
		return place, place
	}
	history := r.stream.History(int(sample))
	if len(history) == 0 {
		return place, 0
	}
	seen, _ = slices.BinarySearch(line, history[len(history)-1])
	return place, seen + 1
}

// question is an item up to its label.
func (r *runs) question(event int32) []int32 {
	q := r.questions.get(r.stream.Set.Items[r.stream.Set.Interactions[event].Item].Title)
	if r.popularity == nil {
		return q
	}
	return slices.Concat(q, r.told.get(r.cfg.popularityText(r.popularity.of(r.stream, event))))
}

func (r *runs) label(event int32) []int32 {
	if r.stream.Liked(event) {
		return r.labels[1]
	}
	return r.labels[0]
}

func (r *runs) size(event int32) int { return len(r.question(event)) + len(r.label(event)) }

// writer is one sequence being written.
type writer struct {
	*runs
	seq  Sequence
	step int32
	// asked says that the newest question is a target, so that its answer is still to come.
	asked bool
}

func (w *writer) put(ids []int32, step int32) {
	w.seq.Tokens = append(w.seq.Tokens, ids...)
	if w.window == 0 {
		return
	}
	for range ids {
		w.seq.Steps = append(w.seq.Steps, step)
	}
}

func (w *writer) ask(event, sample int32) {
	w.put(w.question(event), w.step)
	w.seq.Targets = append(w.seq.Targets, Target{
		Position: int32(len(w.seq.Tokens) - 1),
		Label:    w.stream.Samples[sample].Label,
		Sample:   sample,
	})
	w.asked = true
}

// items writes events with their labels; of the first one only the label, where it has been asked for.
func (w *writer) items(events []int32) {
	for _, e := range events {
		if !w.asked {
			w.put(w.question(e), w.step)
		}
		w.asked = false
		w.put(w.label(e), w.step)
		w.step++
	}
}
