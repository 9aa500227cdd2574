package period_test

import (
	"context"
	"fmt"
	"log"

	"lsat/dataset"
	"lsat/period"
)

func ExampleNew() {
	set := dataset.Generate(dataset.GenerateOptions{Users: 100, Items: 200, Interactions: 5000})
	stream, err := period.New(set, period.Options{Newest: 3000, Count: 3})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := stream.Audit(context.Background()); err != nil {
		log.Fatal(err)
	}
	for t, p := range stream.Periods {
		fmt.Printf("period %d: %d samples train, %d validate\n", t, p.Train.Len(), p.Valid.Len())
	}
	first := stream.Periods[1].All.Lo
	fmt.Println("a sample sees", len(stream.History(first)), "earlier ratings of its user")
	// Output:
	// period 0: 900 samples train, 100 validate
	// period 1: 900 samples train, 100 validate
	// period 2: 900 samples train, 100 validate
	// a sample sees 10 earlier ratings of its user
}
