package prompt

import (
	"fmt"
	"slices"
	"strings"

	"lsat/period"
)

// tallRec is the paper's template. A sequence is the beginning-of-sequence token, where the model wants one, and the prompt's
// text encoded in one piece, exactly as the released code encodes it; no end-of-sequence token. The answer is read at the last
// token, the one that the first token telling the answer words apart would follow.
type tallRec struct {
	cfg     Config
	tok     Tokenizer
	lead    []int32 // what prompts end with: see answers
	answers Answers
	titles  *titleCache[string]
	counts  popularities
	header  []int32 // the tokens that prompts begin with whatever their history
}

func newTallRec(cfg Config, tok Tokenizer) (Template, error) {
	t := &tallRec{cfg: cfg, tok: tok}
	t.titles = newTitleCache(cfg.titleForm)
	var err error
	if t.lead, t.answers, err = answers(tok, t.render(nil, nil, cfg.Untitled, ""), cfg.Yes, cfg.No); err != nil {
		return nil, err
	}
	// Where the constant words end depends on how what follows them is cut into tokens: a few very different titles tell.
	t.header = withBOS(tok, tok.Encode(t.render(nil, nil, cfg.Untitled, "")))
	for _, title := range []string{"A", "1", " z", "(", "'", "\u00e9"} {
		for _, text := range []string{t.render([]string{title}, nil, title, ""), t.render(nil, []string{title}, title, "")} {
			t.header = t.header[:Common(t.header, withBOS(tok, tok.Encode(text)))]
		}
	}
	return t, nil
}

// Common is the length of what two sequences of tokens both begin with.
func Common(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func (t *tallRec) Name() string     { return TallRec }
func (t *tallRec) Hash() string     { return t.cfg.hash(t.tok) }
func (t *tallRec) Answers() Answers { return t.answers }
func (t *tallRec) Counts() bool     { return t.cfg.Popularity }

// render writes the prompt's text. All placeholders are replaced in one pass, so a title that looks like one stays as it is.
func (t *tallRec) render(liked, disliked []string, title, popularity string) string {
	words := t.cfg.words("{liked}", t.list(liked), "{disliked}", t.list(disliked), "{title}", title, "{popularity}", popularity)
	return strings.NewReplacer(words...).Replace(t.cfg.Prompt)
}

func (t *tallRec) list(titles []string) string {
	var b strings.Builder
	for k, title := range titles {
		if k > 0 {
			b.WriteString(t.cfg.Between)
		}
		b.WriteString(strings.NewReplacer(t.cfg.words("{title}", title)...).Replace(t.cfg.Listed))
	}
	return b.String()
}

// Sequences writes one sequence for each sample. Over-long prompts lose their oldest history items.
func (t *tallRec) Sequences(stream *period.Stream, samples []int) ([]Sequence, error) {
	s, err := t.source(stream, samples)
	if err != nil {
		return nil, err
	}
	return Read(s, 0, s.Len())
}

// singles are samples of which each is a sequence.
type singles struct {
	*tallRec
	stream  *period.Stream
	samples []int
}

func (t *tallRec) source(stream *period.Stream, samples []int) (Source, error) {
	if err := checkSamples(stream, samples); err != nil {
		return nil, err
	}
	return singles{t, stream, slices.Clone(samples)}, nil
}

// Len implements Source.
func (s singles) Len() int { return len(s.samples) }

// Targets implements Source.
func (s singles) Targets(int) int { return 1 }

// Tokens implements Source.
func (s singles) Tokens(k int) (int, error) {
	tokens, err := s.tokens(s.stream, s.samples[k])
	return len(tokens), err
}

// At implements Source.
func (s singles) At(k int) (Sequence, error) {
	i := s.samples[k]
	tokens, err := s.tokens(s.stream, i)
	if err != nil {
		return Sequence{}, err
	}
	header := len(s.header)
	if Common(s.header, tokens) < header || header == len(tokens) {
		header = 0
	}
	return Sequence{
		Tokens:  tokens,
		Header:  header,
		Targets: []Target{{Position: int32(len(tokens) - 1), Label: s.stream.Samples[i].Label, Sample: int32(i)}},
	}, nil
}

func (t *tallRec) tokens(stream *period.Stream, i int) ([]int32, error) {
	history := stream.History(i)
	target := t.titles.get(stream.Set.Items[stream.Item(i)].Title)
	told := ""
	if t.cfg.Popularity {
		told = t.cfg.popularityText(t.counts.get(stream).of(stream, stream.Samples[i].Event))
	}
	for {
		var liked, disliked []string
		for _, e := range history {
			title := t.titles.get(stream.Set.Items[stream.Set.Interactions[e].Item].Title)
			if stream.Liked(e) {
				liked = append(liked, title)
			} else {
				disliked = append(disliked, title)
			}
		}
		ids := append(withBOS(t.tok, t.tok.Encode(t.render(liked, disliked, target, told))), t.lead...)
		if len(ids) <= t.cfg.MaxTokens {
			return ids, nil
		}
		if len(history) == 0 {
			return nil, fmt.Errorf("prompt: %s: %w: %d tokens without any history, max_tokens is %d",
				describe(stream, i), ErrTooLong, len(ids), t.cfg.MaxTokens)
		}
		history = history[1:]
	}
}
