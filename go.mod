module lsat

go 1.26
