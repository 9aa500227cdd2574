package prompt

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The templates.
const (
	// TallRec is the paper's prompt: an Alpaca instruction, one sample a sequence.
	TallRec = "tallrec"
	// Stream is one user's run of items with their labels, many samples a sequence.
	Stream = "stream"
)

// The forms of a title.
const (
	// Published is the title as the data set has it: "Matrix, The (1999)".
	Published = "published"
	// Natural moves a trailing article to the front: "The Matrix (1999)".
	Natural = "natural"
	// NaturalNoYear is Natural without the year: "The Matrix".
	NaturalNoYear = "natural-no-year"
)

// Config chooses a template and all its words. The zero value of a field means its default. Texts may use the placeholders
// {noun}, {verb}, {yes} and {no} beside the ones named with them; an unknown placeholder is an error. Names of special tokens in
// texts and titles are plain text: neither words nor titles can forge a special token.
type Config struct {
	// Template is "tallrec" or "stream". Default "stream".
	Template string `json:"template,omitempty" yaml:"template,omitempty" koanf:"template"`
	// Title is the form of titles: "published", "natural" or "natural-no-year". Default "published" for tallrec,
	// "natural" for stream.
	Title string `json:"title,omitempty" yaml:"title,omitempty" koanf:"title"`
	// MaxTokens bounds a sequence's length in tokens, the beginning-of-sequence token included. Default 512 for tallrec (the
	// paper's), 1024 for stream.
	MaxTokens int `json:"max_tokens,omitempty" yaml:"max_tokens,omitempty" koanf:"max_tokens"`
	// TargetsPerSequence bounds how many samples one sequence of the stream template asks. Default 40.
	TargetsPerSequence int `json:"targets_per_sequence,omitempty" yaml:"targets_per_sequence,omitempty" koanf:"targets_per_sequence"`
	// Window is how many items before its own a token of the stream template sees, beside the header. Left out, it is the
	// stream's history length (period.Options.History); 0 sees all. It bounds each layer's attention: what an item took from the items before
	// it still reaches later targets through it, as in any windowed transformer, but never from the future.
	Window *int `json:"window,omitempty" yaml:"window,omitempty" koanf:"window"`

	// Noun is what an item is called. Default "movie".
	Noun string `json:"noun,omitempty" yaml:"noun,omitempty" koanf:"noun"`
	// Verb is what a user does with an item that pleases. Default "like".
	Verb string `json:"verb,omitempty" yaml:"verb,omitempty" koanf:"verb"`
	// Yes and No are the answer words. Defaults "Yes." and "No." for tallrec (the paper's), "Yes" and "No" for stream, where every
	// item's label is in the text and a full stop would cost a token each time.
	Yes string `json:"yes,omitempty" yaml:"yes,omitempty" koanf:"yes"`
	No  string `json:"no,omitempty" yaml:"no,omitempty" koanf:"no"`
	// Untitled stands for a title that is empty or only white space. Default "untitled".
	Untitled string `json:"untitled,omitempty" yaml:"untitled,omitempty" koanf:"untitled"`

	// Popularity tells of an item how it was received before: "(liked by 72% of 310 viewers)", by all ratings before the period of the sample
	// began (in the first period, before the sample). A tallrec prompt says so of the target, a stream of each item, which was a target or could be.
	// The text stands at {popularity} in Prompt or Item, whose defaults then have it behind {title}. Default false.
	Popularity bool `json:"popularity,omitempty" yaml:"popularity,omitempty" koanf:"popularity"`
	// Rated is that text, with {share} in per cent and {count}, and Unrated the one where nobody has rated the item. Defaults DefaultRated
	// and DefaultUnrated.
	Rated   string `json:"rated,omitempty" yaml:"rated,omitempty" koanf:"rated"`
	Unrated string `json:"unrated,omitempty" yaml:"unrated,omitempty" koanf:"unrated"`

	// Prompt is the whole text of a tallrec prompt up to the answer, with {liked} and {disliked} (the history's titles, oldest
	// first) and {title} (the target's). Default DefaultPrompt.
	Prompt string `json:"prompt,omitempty" yaml:"prompt,omitempty" koanf:"prompt"`
	// Listed is how one title stands in {liked} and {disliked}. Default `"{title}"`.
	Listed string `json:"listed,omitempty" yaml:"listed,omitempty" koanf:"listed"`
	// Between joins the listed titles. Default ", ".
	Between string `json:"between,omitempty" yaml:"between,omitempty" koanf:"between"`

	// Header is the text that a sequence of the stream template starts with. Default DefaultHeader.
	Header string `json:"header,omitempty" yaml:"header,omitempty" koanf:"header"`
	// Item is one item of the stream template with {title} and, after it, {label}. Default DefaultItem.
	Item string `json:"item,omitempty" yaml:"item,omitempty" koanf:"item"`
}

// DefaultPrompt is the paper's prompt: Alpaca's preamble and three headings around TALLRec's instruction and input. The
// released code of TALLRec carries a stray "  # noqa: E501" at the end of the first line, inside the string; whoever wants to repeat that
// accident sets Config.Prompt.
const DefaultPrompt = `Below is an instruction that describes a task, paired with an input that provides further context. ` +
	`Write a response that appropriately completes the request.

### Instruction:
Given the user's preference and unpreference, identify whether the user will {verb} the target {noun} by answering "{yes}" or "{no}".

### Input:
User Preference: {liked}
User Unpreference: {disliked}
Whether the user will {verb} the target {noun} "{title}"?

### Response:
`

// DefaultHeader and DefaultItem are the stream template's text: `Does the user like the movie? The Matrix (1999): Yes Titanic (1997): No`.
//
// The layout is chosen for few tokens an item, since the cost of a job is linear in them. Titles stand behind a space because byte-level
// vocabularies know far more words with a space before them than at the start of a line; the label costs one token and the colon
// none behind a year ("):" is one). On ML-1M's period 10 with SmolLM2's tokenizer a target costs 16.6 tokens with Title "natural", 17.0
// with "published" and 9.3 with "natural-no-year", history and header included; a line for each item would cost 18.4, 18.9 and 11.1.
const (
	DefaultHeader = "Does the user {verb} the {noun}?"
	DefaultItem   = " {title}: {label}"
)

// DefaultRated and DefaultUnrated are the texts of Config.Popularity.
const (
	DefaultRated   = " (liked by {share}% of {count} viewers)"
	DefaultUnrated = " (no viewers yet)"
)

func orDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// resolve fills in the defaults and refuses what makes no sense.
func (c Config) resolve() (Config, error) {
	orDefault(&c.Template, Stream)
	orDefault(&c.Noun, "movie")
	orDefault(&c.Verb, "like")
	orDefault(&c.Untitled, "untitled")
	if err := c.resolvePopularity(); err != nil {
		return c, err
	}
	var err error
	switch c.Template {
	case TallRec:
		err = c.resolveTallRec()
	case Stream:
		err = c.resolveStream()
	default:
		return c, fmt.Errorf("prompt: unknown template %q: want %q or %q", c.Template, TallRec, Stream)
	}
	if err != nil {
		return c, err
	}
	if titles := []string{Published, Natural, NaturalNoYear}; !slices.Contains(titles, c.Title) {
		return c, fmt.Errorf("prompt: title: unknown form %q: want one of %q", c.Title, titles)
	}
	if c.MaxTokens < 0 {
		return c, fmt.Errorf("prompt: max_tokens: %d is negative", c.MaxTokens)
	}
	if c.Yes == c.No {
		return c, fmt.Errorf("prompt: yes and no are both %q", c.Yes)
	}
	return c, nil
}

func (c *Config) resolveTallRec() error {
	if c.Header != "" || c.Item != "" || c.TargetsPerSequence != 0 || c.Window != nil {
		return fmt.Errorf("prompt: header, item, targets_per_sequence and window belong to the template %q, not to %q", Stream, TallRec)
	}
	orDefault(&c.Title, Published)
	orDefault(&c.Yes, "Yes.")
	orDefault(&c.No, "No.")
	orDefault(&c.Prompt, c.withPopularity(DefaultPrompt, `"{title}"`))
	orDefault(&c.Listed, `"{title}"`)
	orDefault(&c.Between, ", ")
	if c.MaxTokens == 0 {
		c.MaxTokens = 512
	}
	if err := checkText("prompt", c.Prompt, c.asked("{title}", "{liked}", "{disliked}")...); err != nil {
		return err
	}
	return checkText("listed", c.Listed, "{title}")
}

func (c *Config) resolveStream() error {
	if c.Prompt != "" || c.Listed != "" || c.Between != "" {
		return fmt.Errorf("prompt: prompt, listed and between belong to the template %q, not to %q", TallRec, Stream)
	}
	orDefault(&c.Title, Natural)
	orDefault(&c.Yes, "Yes")
	orDefault(&c.No, "No")
	orDefault(&c.Header, DefaultHeader)
	orDefault(&c.Item, c.withPopularity(DefaultItem, "{title}"))
	if c.MaxTokens == 0 {
		c.MaxTokens = 1024
	}
	if c.TargetsPerSequence == 0 {
		c.TargetsPerSequence = 40
	}
	if c.TargetsPerSequence < 0 {
		return fmt.Errorf("prompt: targets_per_sequence: %d is negative", c.TargetsPerSequence)
	}
	if c.Window != nil && *c.Window < 0 {
		return fmt.Errorf("prompt: window: %d is negative", *c.Window)
	}
	if err := checkText("header", c.Header); err != nil {
		return err
	}
	if err := checkText("item", c.Item, c.asked("{title}", "{label}")...); err != nil {
		return err
	}
	label, title, told := strings.Index(c.Item, "{label}"), strings.Index(c.Item, "{title}"), strings.Index(c.Item, "{popularity}")
	if label < title || label < told {
		return fmt.Errorf("prompt: item: %q has {label} before {title} or {popularity}, so the answer would precede the question", c.Item)
	}
	if c.Popularity && told < title {
		return fmt.Errorf("prompt: item: %q has {popularity} before {title}", c.Item)
	}
	return nil
}

// withPopularity puts the popularity behind a part of a default text.
func (c Config) withPopularity(text, behind string) string {
	if !c.Popularity {
		return text
	}
	return strings.Replace(text, behind, behind+"{popularity}", 1)
}

// asked are the placeholders that the text of a question wants.
func (c Config) asked(placeholders ...string) []string {
	if c.Popularity {
		placeholders = append(placeholders, "{popularity}")
	}
	return placeholders
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// checkText wants every required placeholder in the text exactly once, and no unknown one.
func checkText(key, text string, required ...string) error {
	for _, r := range required {
		if n := strings.Count(text, r); n != 1 {
			return fmt.Errorf("prompt: %s: wants %s exactly once, has it %d times", key, r, n)
		}
	}
	known := append([]string{"{noun}", "{verb}", "{yes}", "{no}"}, required...)
	for _, p := range placeholder.FindAllString(text, -1) {
		if !slices.Contains(known, p) {
			return fmt.Errorf("prompt: %s: unknown placeholder %s: known are %s", key, p, strings.Join(known, " "))
		}
	}
	return nil
}

// words returns the replacements that every text may use.
func (c Config) words(more ...string) []string {
	return append([]string{"{noun}", c.Noun, "{verb}", c.Verb, "{yes}", c.Yes, "{no}", c.No}, more...)
}
