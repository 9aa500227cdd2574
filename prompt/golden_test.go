package prompt

import (
	"slices"
	"testing"

	"lsat/period"
)

var films = []string{"Toy Story (1995)", "Matrix, The (1999)", "Heat (1995)", "Casablanca (1942)", "Fargo (1996)"}

// fourThenOne: one user, five films, liked: the Matrix, Casablanca and Fargo.
var fourThenOne = []event{{0, 0, 3, 10}, {0, 1, 4, 20}, {0, 2, 1, 30}, {0, 3, 5, 40}, {0, 4, 4, 50}}

func TestTallRecText(t *testing.T) {
	const preamble = "Below is an instruction that describes a task, paired with an input that provides further context. " +
		"Write a response that appropriately completes the request.\n\n### Instruction:\n"
	const movie = "Given the user's preference and unpreference, identify whether the user will like the target movie by answering \"Yes.\" or \"No.\"."
	for _, c := range []struct {
		name   string
		cfg    Config
		events []event
		want   string
	}{
		{"as published", Config{Template: TallRec}, fourThenOne, preamble + movie + "\n\n### Input:\n" +
			"User Preference: \"Matrix, The (1999)\", \"Casablanca (1942)\"\n" +
			"User Unpreference: \"Toy Story (1995)\", \"Heat (1995)\"\n" +
			"Whether the user will like the target movie \"Fargo (1996)\"?\n\n### Response:\n"},
		// The released code leaves the space behind the colon of an empty list.
		{"nothing disliked", Config{Template: TallRec}, []event{{0, 0, 4, 1}, {0, 1, 4, 2}, {0, 2, 5, 3}, {0, 3, 5, 4}, {0, 4, 1, 5}},
			preamble + movie + "\n\n### Input:\n" +
				"User Preference: \"Toy Story (1995)\", \"Matrix, The (1999)\", \"Heat (1995)\", \"Casablanca (1942)\"\n" +
				"User Unpreference: \n" +
				"Whether the user will like the target movie \"Fargo (1996)\"?\n\n### Response:\n"},
		{"other words", Config{Template: TallRec, Noun: "wine", Verb: "enjoy", Yes: "Good.", No: "Bad.", Title: NaturalNoYear, Between: "; ", Listed: "<{title}>"},
			fourThenOne, preamble + "Given the user's preference and unpreference, identify whether the user will enjoy the target wine by answering \"Good.\" or \"Bad.\"." +
				"\n\n### Input:\nUser Preference: <The Matrix>; <Casablanca>\nUser Unpreference: <Toy Story>; <Heat>\n" +
				"Whether the user will enjoy the target wine \"Fargo\"?\n\n### Response:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := &wordTokenizer{bos: true}
			s := makeStream(t, films, 1, c.events, period.Options{History: 4, Count: 1})
			tpl := must(t, c.cfg, tok)
			seqs, err := tpl.Sequences(s, []int{0})
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Decode(seqs[0].Tokens); got != "<s>"+c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			want := Target{Position: int32(len(seqs[0].Tokens) - 1), Label: s.Samples[0].Label, Sample: 0}
			if len(seqs) != 1 || !slices.Equal(seqs[0].Targets, []Target{want}) || seqs[0].Steps != nil || seqs[0].Window != 0 {
				t.Errorf("got %+v", seqs)
			}
		})
	}
}

func TestStreamText(t *testing.T) {
	for _, c := range []struct {
		name    string
		cfg     Config
		samples []int
		want    []string
	}{
		{"default", Config{}, []int{0, 1, 2},
			[]string{"<s>Does the user like the movie? Toy Story (1995): No The Matrix (1999): Yes Heat (1995): No Casablanca (1942): Yes Fargo (1996):"}},
		{"a sample in between is not asked", Config{Title: NaturalNoYear}, []int{0, 2},
			[]string{"<s>Does the user like the movie? Toy Story: No The Matrix: Yes Heat: No Casablanca: Yes Fargo:"}},
		{"one target a sequence", Config{TargetsPerSequence: 1, Title: Published}, []int{1, 2}, []string{
			"<s>Does the user like the movie? Matrix, The (1999): Yes Heat (1995): No Casablanca (1942):",
			"<s>Does the user like the movie? Heat (1995): No Casablanca (1942): Yes Fargo (1996):"}},
		{"other words", Config{Header: "{noun}s, {yes} or {no}:", Item: "\n{title} - would {verb}? {label}.", Noun: "Wine", Verb: "enjoy", Yes: "Good", No: "Bad"}, []int{0, 1},
			[]string{"<s>Wines, Good or Bad:\nToy Story (1995) - would enjoy? Bad.\nThe Matrix (1999) - would enjoy? Good.\nHeat (1995) - would enjoy? Bad.\nCasablanca (1942) - would enjoy?"}},
		{"answer words that begin alike", Config{Yes: "the best", No: "the worst", Title: NaturalNoYear}, []int{0, 1, 2}, []string{
			"<s>Does the user like the movie? Toy Story: the worst The Matrix: the best Heat: the worst Casablanca: the best Fargo: the"}},
		{"a window shorter than the history", Config{Window: ptr(1), Title: NaturalNoYear}, []int{2}, []string{
			"<s>Does the user like the movie? Casablanca: Yes Fargo:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := &wordTokenizer{bos: true}
			s := makeStream(t, films, 1, fourThenOne, period.Options{History: 2, Count: 1})
			seqs, err := must(t, c.cfg, tok).Sequences(s, c.samples)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, q := range seqs {
				got = append(got, tok.Decode(q.Tokens))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestStreamStepsAndWindow(t *testing.T) {
	tok := &wordTokenizer{}
	s := makeStream(t, films, 1, fourThenOne, period.Options{History: 2, Count: 1})
	seqs, err := must(t, Config{Header: "Films:", Title: NaturalNoYear}, tok).Sequences(s, all(s))
	if err != nil {
		t.Fatal(err)
	}
	//                 Films :  Toy Story : No  The Matrix : Yes  Heat : No  Casablanca : Yes  Fargo :
	want := []int32{-1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4}
	if len(seqs) != 1 || !slices.Equal(seqs[0].Steps, want) || seqs[0].Window != 2 {
		t.Errorf("got %+v\nwant steps %v and window 2", seqs, want)
	}
	seqs, err = must(t, Config{Window: ptr(0)}, tok).Sequences(s, all(s))
	if err != nil {
		t.Fatal(err)
	}
	if len(seqs) != 1 || seqs[0].Steps != nil || seqs[0].Window != 0 {
		t.Errorf("without a window: got steps %v and window %d", seqs[0].Steps, seqs[0].Window)
	}
}
