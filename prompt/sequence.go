// Package prompt writes samples as token sequences. A template knows words and tokenizers and nothing of the engine; the
// engine knows Sequences and nothing of prompts.
package prompt

// Target is a place in a sequence where the model's answer is read.
type Target struct {
	// Position is the index of the token after which the answer word would come: the logits at this token are the answer.
	Position int32
	// Label is the true answer.
	Label bool
	// Sample is the index of the sample in its period.Stream, or the line number for prompts that come from a file.
	Sample int32
	// Offset is a log-odds known beforehand, a prior's, that training adds to the model's own: the model then learns what the prior does not
	// know. Scores are the model's alone.
	Offset float32
}

// Sequence is everything the model sees: token ids, and the places where it is asked.
type Sequence struct {
	// Tokens are the ids of the whole sequence, special tokens included.
	Tokens []int32
	// Steps gives for each token the ordinal of the item it belongs to, and -1 for tokens that every later token may see
	// (the header). It is nil where Window is 0.
	Steps []int32
	// Window limits attention: a token of step s sees only header tokens and tokens of steps >= s-Window. 0 sees all.
	Window int32
	// Header is how many of the first tokens are the template's own, the same in every sequence that it writes: an engine may compute
	// them once for many sequences. 0 is always right.
	Header int
	// Targets are in the order of their positions.
	Targets []Target
	// Hidden, where an engine has computed them beforehand, are the tokens' hidden states at the input of some layer. Templates leave
	// it nil.
	Hidden *Hidden
}

// Hidden are the hidden states of a sequence's tokens at the input of a layer: len(Tokens) rows of the backbone's width in the
// layout of the engine that computed them.
type Hidden struct {
	Layer int
	Rows  []byte
}

// Answers are the token ids of the two answer words. A score is the log-odds logit(Yes) - logit(No) at a target.
type Answers struct{ Yes, No int32 }

// Tokenizer turns text into token ids exactly as the backbone's own tokenizer does.
type Tokenizer interface {
	// Encode returns the ids of the text without adding any special token. Text is text: where a title happens to be the name of a
	// special token, it is spelled with ordinary ones. (A tokenizer that can also read such names as the tokens has EncodeSpecial.)
	Encode(text string) []int32
	// Decode returns the text of the ids.
	Decode(ids []int32) string
	// ID returns the id of one vocabulary entry, e.g. "<|im_start|>", and whether there is one.
	ID(token string) (int32, bool)
	// BOS returns the id that starts every sequence and whether the model wants one.
	BOS() (int32, bool)
	// Hash identifies vocabulary and rules: a SHA-256 in hex.
	Hash() string
}

// ShareBeginning marks what all the sequences begin with as their header, as far as no target and no last token stands in it: candidates that
// are asked for behind one user's history then cost the history once. It changes no score.
func ShareBeginning(seqs []Sequence) {
	if len(seqs) == 0 {
		return
	}
	first := &seqs[0]
	n := len(first.Tokens)
	for i := range seqs {
		s := &seqs[i]
		n = min(n, Common(first.Tokens, s.Tokens), len(s.Tokens)-1)
		if len(s.Targets) > 0 {
			n = min(n, int(s.Targets[0].Position))
		}
		if s.Window != first.Window || (s.Steps == nil) != (first.Steps == nil) {
			n = 0
		} else if s.Steps != nil {
			n = min(n, Common(first.Steps, s.Steps))
		}
	}
	for i := range seqs {
		seqs[i].Header = max(0, n)
	}
}
