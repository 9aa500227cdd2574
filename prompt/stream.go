package prompt

import (
	"fmt"
	"slices"
	"strings"

	"lsat/period"
)

// streaming is the template of long runs: a header, up to ten history items with their labels, then many targets of the same user,
// each followed by its own label, which is history for the next (compare the streaming prompts of DTI, arXiv 2503.01001).
//
// Three kinds of pieces are encoded, each alone and once: the header, an item up to its label (once for each title; where Config.Popularity is
// told, in two pieces, the title's and the popularity's), and the two labels. A sequence is their ids in a row, so the ids of an item never depend on its neighbours. A space before {label} in
// Config.Item belongs to the label, as tokenizers have it: " Yes" is one token. The answer is read at the last token before a label; the
// last label of a sequence is left out, since no target comes after it.
type streaming struct {
	cfg       Config
	tok       Tokenizer
	header    []int32
	questions *titleCache[[]int32]
	// told are the ids of what is said of an item's popularity, by its text, up to the label; questions then end before it.
	told   *titleCache[[]int32]
	counts popularities
	// labels are the ids of a label and of what stands between it and the next item: [0] is No, [1] is Yes.
	labels  [2][]int32
	answers Answers
}

func newStream(cfg Config, tok Tokenizer) (Template, error) {
	t := &streaming{cfg: cfg, tok: tok}
	words := strings.NewReplacer(cfg.words()...)
	t.header = withBOS(tok, tok.Encode(words.Replace(cfg.Header)))

	question, after, _ := strings.Cut(cfg.Item, "{label}")
	before, ask, _ := strings.Cut(question, "{title}")
	before, ask, after = words.Replace(before), words.Replace(ask), words.Replace(after)
	bare := strings.TrimRight(ask, " ")
	space := ask[len(bare):]
	context := anchor + cfg.Untitled + bare
	if cfg.Popularity {
		bare, context = t.tell(bare)
	}

	// A question's context is what stands before it in a sequence: a label and what follows that.
	t.questions = newTitleCache(func(title string) []int32 {
		ids, _ := continuation(tok, anchor+cfg.Yes+after, before+cfg.titleForm(title)+bare)
		return ids
	})
	for k, word := range []string{cfg.No, cfg.Yes} {
		t.labels[k], _ = continuation(tok, context, space+word+after)
	}
	ans, err := answers(tok, context, space+cfg.Yes, space+cfg.No)
	if err != nil {
		return nil, err
	}
	if t.labels[1][0] != ans.Yes || t.labels[0][0] != ans.No {
		return nil, fmt.Errorf("prompt: item: %q: what follows {label} changes the tokens of the answer words %q and %q",
			cfg.Item, cfg.Yes, cfg.No)
	}
	t.answers = ans
	return t, nil
}

func (t *streaming) Name() string     { return Stream }
func (t *streaming) Hash() string     { return t.cfg.hash(t.tok) }
func (t *streaming) Answers() Answers { return t.answers }
func (t *streaming) Counts() bool     { return t.cfg.Popularity }

// Sequences writes each user's samples as runs, ordered by their first sample. Events of the user between two samples that are not
// asked for themselves stand there as history. A run ends, and another begins with its own history, where a sequence has
// TargetsPerSequence targets or MaxTokens tokens, where more events lie between two samples than a history is long, or where
// the next sample must not see the one before it (period.Options.StrictTime).
func (t *streaming) Sequences(stream *period.Stream, samples []int) ([]Sequence, error) {
	if err := checkSamples(stream, samples); err != nil {
		return nil, err
	}
	users := map[int32][]int{}
	for _, i := range samples {
		u := stream.User(i)
		users[u] = append(users[u], i)
	}
	var out []Sequence
	for _, i := range samples {
		u := stream.User(i)
		if mine := users[u]; mine[0] == i {
			seqs, err := t.runs(stream, u, mine)
			if err != nil {
				return nil, err
			}
			out = append(out, seqs...)
		}
	}
	slices.SortFunc(out, func(a, b Sequence) int { return int(a.Targets[0].Sample) - int(b.Targets[0].Sample) })
	return out, nil
}

// runs writes one user's samples.
func (t *streaming) runs(stream *period.Stream, user int32, samples []int) ([]Sequence, error) {
	history := stream.Options.History
	window := history
	if t.cfg.Window != nil {
		window = *t.cfg.Window
	}
	if window > 0 {
		history = min(history, window) // older items would be out of every target's sight
	}
	line := stream.Timeline(user)
	var known *popularity
	if t.cfg.Popularity {
		known = t.counts.get(stream)
	}
	var out []Sequence
	for len(samples) > 0 {
		w := run{streaming: t, stream: stream, popularity: known, seq: Sequence{Window: int32(window), Header: len(t.header)}}
		n, err := w.fill(line, samples, history)
		if err != nil {
			return nil, err
		}
		if window == 0 {
			w.seq.Steps = nil
		}
		out = append(out, w.seq)
		samples = samples[n:]
	}
	return out, nil
}

// run is one sequence being written.
type run struct {
	*streaming
	stream     *period.Stream
	popularity *popularity // nil where it is not told
	seq        Sequence
	step       int32
}

// fill writes the first of the samples with its history, then as many more as fit, and returns how many it wrote.
func (w *run) fill(line []int32, samples []int, history int) (int, error) {
	w.put(w.header, -1)
	place, seen := w.places(line, samples[0])
	size := len(w.seq.Tokens) + len(w.question(line[place]))
	if size > w.cfg.MaxTokens {
		return 0, fmt.Errorf("prompt: %s: %w: %d tokens without any history, max_tokens is %d",
			describe(w.stream, samples[0]), ErrTooLong, size, w.cfg.MaxTokens)
	}
	from := seen
	for from > max(0, seen-history) {
		size += w.size(line[from-1])
		if size > w.cfg.MaxTokens {
			break
		}
		from--
	}
	w.items(line[from:seen])
	w.ask(line[place], samples[0])

	n := 1
	for ; n < len(samples) && n < w.cfg.TargetsPerSequence; n++ {
		if seen != place {
			break // events between them were left out, and cannot be made up for behind the target
		}
		last := place
		place, seen = w.places(line, samples[n])
		if seen <= last || seen-last-1 > history {
			break
		}
		size := len(w.seq.Tokens) + len(w.label(line[last])) + len(w.question(line[place]))
		for _, e := range line[last+1 : seen] {
			size += w.size(e)
		}
		if size > w.cfg.MaxTokens {
			break
		}
		w.answer(line[last])
		w.items(line[last+1 : seen])
		w.ask(line[place], samples[n])
	}
	return n, nil
}

// places returns where a sample's event stands in its user's timeline, and how many events of the timeline it may look back on: as
// many, but for those of the same second under period.Options.StrictTime.
func (w *run) places(line []int32, sample int) (place, seen int) {
	place = int(w.stream.Samples[sample].Place)
	if !w.stream.Options.StrictTime {
		return place, place
	}
	history := w.stream.History(sample)
	if len(history) == 0 {
		return place, 0
	}
	seen, _ = slices.BinarySearch(line, history[len(history)-1])
	return place, seen + 1
}

// question is an item up to its label.
func (w *run) question(event int32) []int32 {
	q := w.questions.get(w.stream.Set.Items[w.stream.Set.Interactions[event].Item].Title)
	if w.popularity == nil {
		return q
	}
	return slices.Concat(q, w.told.get(w.cfg.popularityText(w.popularity.of(w.stream, event))))
}

func (w *run) label(event int32) []int32 {
	if w.stream.Liked(event) {
		return w.labels[1]
	}
	return w.labels[0]
}

func (w *run) size(event int32) int { return len(w.question(event)) + len(w.label(event)) }

func (w *run) put(ids []int32, step int32) {
	w.seq.Tokens = append(w.seq.Tokens, ids...)
	for range ids {
		w.seq.Steps = append(w.seq.Steps, step)
	}
}

func (w *run) ask(event int32, sample int) {
	w.put(w.question(event), w.step)
	w.seq.Targets = append(w.seq.Targets, Target{
		Position: int32(len(w.seq.Tokens) - 1),
		Label:    w.stream.Samples[sample].Label,
		Sample:   int32(sample),
	})
}

// answer writes the label of the newest question and goes on to the next item.
func (w *run) answer(event int32) {
	w.put(w.label(event), w.step)
	w.step++
}

func (w *run) items(events []int32) {
	for _, e := range events {
		w.put(w.question(e), w.step)
		w.answer(e)
	}
}
