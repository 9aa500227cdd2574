package prompt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lsat/dataset"
	"lsat/period"
	"lsat/tokenizer"
)

// shared is the folder of real data and tokenizers beside the repository; most tests run without it.
const shared = "../../shared"

func realTokenizers(t *testing.T) map[string]Tokenizer {
	t.Helper()
	out := map[string]Tokenizer{}
	for _, name := range []string{"smollm2-tokenizer", "llama2-tokenizer"} {
		dir := filepath.Join(shared, "models", name)
		if _, err := os.Stat(dir); err != nil {
			t.Logf("not tested with %s: %v", name, err)
			continue
		}
		tok, err := tokenizer.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = tok
	}
	return out
}

func realTokenizer(t *testing.T, name string) Tokenizer {
	t.Helper()
	tok, ok := realTokenizers(t)[name]
	if !ok {
		t.Skipf("%s is not in %s", name, shared)
	}
	return tok
}

// The answer tokens: those of Llama are in the released code of TALLRec (8241 and 3782), those of SmolLM2 in its vocabulary.
func TestRealAnswers(t *testing.T) {
	smol, llama := realTokenizer(t, "smollm2-tokenizer"), realTokenizer(t, "llama2-tokenizer")
	id := func(word string) int32 {
		id, ok := smol.ID(word)
		if !ok {
			t.Fatalf("SmolLM2 has no token %q", word)
		}
		return id
	}
	for _, c := range []struct {
		name string
		tok  Tokenizer
		cfg  Config
		want Answers
	}{
		{"tallrec, Llama", llama, Config{Template: TallRec}, Answers{8241, 3782}},
		{"tallrec, SmolLM2", smol, Config{Template: TallRec}, Answers{id("Yes"), id("No")}},
		{"stream, SmolLM2", smol, Config{}, Answers{id("ĠYes"), id("ĠNo")}},
		{"stream by lines, SmolLM2", smol, Config{Item: "\n{title}\n{label}"}, Answers{id("Yes"), id("No")}},
	} {
		if got := must(t, c.cfg, c.tok).Answers(); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLine(t *testing.T) {
	smol, llama := realTokenizer(t, "smollm2-tokenizer"), realTokenizer(t, "llama2-tokenizer")
	start, _ := smol.ID("<|im_start|>")
	q, ans, err := Line(smol, "<|im_start|>user\nGood?", " Yes", " No")
	if err != nil {
		t.Fatal(err)
	}
	if q.Tokens[0] != start || q.Targets[0].Position != int32(len(q.Tokens)-1) || smol.Decode([]int32{ans.Yes, ans.No}) != " Yes No" {
		t.Errorf("got %v, answers %v", q, ans)
	}
	// The prompt's last token would be " Yes" if the word stood behind it.
	if _, ans, err = Line(smol, "Good? ", "Yes", "No"); err != nil || smol.Decode([]int32{ans.Yes, ans.No}) != "YesNo" {
		t.Errorf("behind a space: answers %v (%v)", ans, err)
	}
	q, ans, err = Line(llama, "Response:\n", "Yes.", "No.")
	if err != nil || q.Tokens[0] != 1 || ans != (Answers{8241, 3782}) {
		t.Errorf("Llama: got %v, answers %v (%v); want <s> first and the answers 8241 and 3782", q.Tokens, ans, err)
	}
	if _, _, err = Line(smol, "Good?", " Yes", " Yes, but"); !errors.Is(err, ErrSameAnswer) {
		t.Errorf("an answer that begins the other: got %v", err)
	}
	if _, _, err = Line(smol, "", "Yes", "No"); err == nil {
		t.Error("an empty prompt without a beginning-of-sequence token was taken")
	}
	if _, _, err = Line(smol, "Good?", "", "No"); err == nil {
		t.Error("an empty answer was taken")
	}
}

func ml1m(t *testing.T) *period.Stream {
	t.Helper()
	dir := filepath.Join(shared, "data", "ml-1m")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("ML-1M is not there: %v", err)
	}
	set, err := dataset.Open(t.Context(), dir, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := period.New(set, period.Options{Newest: 200000})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTokensPerTarget holds the stream template to its price on ML-1M's period 10, counted with Hugging Face's own tokenizer from the
// layout's description, and the pieces to the ids of the same text encoded at once.
func TestTokensPerTarget(t *testing.T) {
	tok := realTokenizer(t, "smollm2-tokenizer")
	s := ml1m(t)
	var samples []int
	for i := s.Periods[10].All.Lo; i < s.Periods[10].All.Hi; i++ {
		samples = append(samples, i)
	}
	for _, c := range []struct {
		name      string
		cfg       Config
		sequences int
		tokens    float64
	}{
		{"published", Config{Title: Published}, 462, 16.96},
		{"natural", Config{Title: Natural}, 462, 16.61},
		{"without year", Config{Title: NaturalNoYear}, 462, 9.25},
		{"without year, 80 targets", Config{Title: NaturalNoYear, TargetsPerSequence: 80}, 355, 8.52},
		{"a line an item", Config{Title: Natural, Item: "\n{title}: {label}"}, 462, 18.43},
	} {
		seqs, err := must(t, c.cfg, tok).Sequences(s, samples)
		if err != nil {
			t.Fatal(err)
		}
		checkTargets(t, s, samples, seqs, 1024)
		total, differ := 0, 0
		for _, q := range seqs {
			total += len(q.Tokens)
			if !slices.Equal(tok.Encode(tok.Decode(q.Tokens)), q.Tokens) {
				differ++
			}
		}
		perTarget := float64(total) / float64(len(samples))
		t.Logf("%s: %d sequences, %.2f tokens per target, %d sequences differ from their text encoded at once", c.name, len(seqs), perTarget, differ)
		if len(seqs) != c.sequences || perTarget > c.tokens+.005 || perTarget < c.tokens-.1 {
			t.Errorf("%s: %d sequences with %.2f tokens per target, want %d with %.2f", c.name, len(seqs), perTarget, c.sequences, c.tokens)
		}
		if differ > 0 {
			t.Errorf("%s: %d of %d sequences have other ids than their text", c.name, differ, len(seqs))
		}
	}
	seqs, err := must(t, Config{Template: TallRec}, tok).Sequences(s, samples[:1000])
	if err != nil {
		t.Fatal(err)
	}
	checkTargets(t, s, samples[:1000], seqs, 512)
}
