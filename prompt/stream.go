package prompt

import (
	"fmt"
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
	// lead ends every question: see answers.
	lead []int32
	// labels are the ids of a label, from the first that tells, and of what stands between it and the next item: [0] is No, [1] is Yes.
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
		if cfg.Popularity {
			return ids
		}
		return append(ids, t.lead...)
	})
	var err error
	if t.lead, t.answers, err = answers(tok, context, space+cfg.Yes, space+cfg.No); err != nil {
		return nil, err
	}
	for k, word := range []string{cfg.No, cfg.Yes} {
		ids, _ := continuation(tok, context, space+word+after)
		n := len(t.lead)
		if first := []int32{t.answers.No, t.answers.Yes}[k]; Common(ids, t.lead) < n || len(ids) == n || ids[n] != first {
			return nil, fmt.Errorf("prompt: item: %q: what follows {label} changes the tokens of the answer words %q and %q",
				cfg.Item, cfg.Yes, cfg.No)
		}
		t.labels[k] = ids[n:]
	}
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
	s, err := t.source(stream, samples)
	if err != nil {
		return nil, err
	}
	return Read(s, 0, s.Len())
}
