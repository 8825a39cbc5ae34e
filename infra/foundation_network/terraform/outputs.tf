# What people and scripts read. file_processing reads the tags instead, so that the stacks share no state.

output "name_prefix" {
  description = "foundation_name_prefix of the stack file_processing."
  value       = var.name_prefix
}

output "region" {
  description = "Region of the network."
  value       = var.aws_region
}

output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets of nodes, pods and databases."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "public_subnet_ids" {
  description = "Subnets of NAT gateways and public load balancers."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "nat_public_ips" {
  description = "Addresses that the platform calls others from; for their allow-lists."
  value       = [for address in aws_eip.nat : address.public_ip]
}
