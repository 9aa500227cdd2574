package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"lsat/dataset"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "ratings")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "ratings.csv")
	if err := os.WriteFile(file, []byte("reader;book;stars;when\nann;Emma;5;2024-05-01\nbob;Emma;many;2024-05-02\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	opts := dataset.Options{Columns: dataset.Columns{User: "reader", Item: "book", Rating: "stars", Time: "when", TimeUnit: "2006-01-02"}}

	_, err = dataset.Open(context.Background(), file, opts)
	var bad *dataset.LineError
	if errors.As(err, &bad) {
		fmt.Printf("line %d: %s\n", bad.Line, bad.Reason)
	}
	opts.MaxBad = 1
	set, err := dataset.Open(context.Background(), file, opts)
	if err != nil {
		log.Fatal(err)
	}
	e := set.Interactions[0]
	fmt.Println(set.Users[e.User], set.Items[e.Item].Title, e.Rating, set.Skipped)
	// Output:
	// line 3: rating "many" is not a number
	// ann Emma 5 1
}

func ExampleNaturalTitle() {
	fmt.Println(dataset.NaturalTitle("City of Lost Children, The (Cité des enfants perdus, La) (1995)"))
	// Output: The City of Lost Children (La Cité des enfants perdus) (1995)
}
